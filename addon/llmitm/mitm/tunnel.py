"""Decide by name what is decrypted: LLM hosts, and nothing else.

Also what only the connection knows: the tags in the proxy URL's user part, and clients that refuse our certificate.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections import deque
from typing import NamedTuple

from mitmproxy import connection, http, tls

from llmitm.mitm.guard import guarded
from llmitm.providers.hosts import HostTable

log = logging.getLogger("llmitm")

_DIRECT_FIX = 'run the program with `llmitm run -- ...`, or `eval "$(llmitm env)"` before it'


class Refusal(NamedTuple):
    """A client that would not take our certificate."""

    at: float
    host: str
    client: str
    why: str


class Tunnel:
    """Let every TLS connection to other hosts pass untouched."""

    def __init__(self, hosts: HostTable, label: str | None = None) -> None:
        self._hosts = hosts
        self._label = label
        self._userinfo: dict[str, str] = {}
        self._clients: dict[str, str] = {}
        self._reported: set[tuple[str, str]] = set()
        self.refusals: deque[Refusal] = deque(maxlen=50)
        self.tunnelled = 0

    def userinfo(self, client: connection.Client) -> str | None:
        """Return `user:password` of the proxy URL that a client uses, if it sent one.

        Java sends none; a proxy that one program has for itself knows its `label` all the same.
        """
        return self._userinfo.get(client.id, self._label)

    @guarded
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Keep what the CONNECT request says of the client."""
        self.remember(flow)
        if agent := flow.request.headers.get("user-agent"):
            self._clients[flow.client_conn.id] = agent

    def remember(self, flow: http.HTTPFlow) -> None:
        """Take the proxy credentials, which are a label and no secret, off a request and keep them."""
        credentials = flow.request.headers.pop("proxy-authorization", None)
        if credentials is None:
            return
        scheme, _, value = credentials.partition(" ")
        if scheme.lower() == "basic":
            try:
                userinfo = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return
            self._userinfo[flow.client_conn.id] = userinfo

    @guarded
    def client_disconnected(self, client: connection.Client) -> None:
        """Forget a connection."""
        self._userinfo.pop(client.id, None)
        self._clients.pop(client.id, None)

    @guarded
    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Tunnel what is not an LLM host. The name is SNI's; the address only where there is none."""
        address = data.context.server.address
        name = data.client_hello.sni or (address[0] if address else "")
        if self._hosts.find(name, address[1] if address else 443) is None:
            data.ignore_connection = True
            self.tunnelled += 1

    @guarded
    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Say in one line that a client does not trust us, for it may hang and say nothing itself."""
        host = data.conn.sni or (data.context.server.address or ("an LLM host",))[0]
        client = self._clients.get(data.conn.id, "a client")
        self.refusals.append(Refusal(time.time(), host, client, data.conn.error or "closed"))
        if (host, client) not in self._reported:
            self._reported.add((host, client))
            log.warning(
                "llmitm: %s refused our certificate for %s, so its call failed: %s",
                client,
                host,
                _DIRECT_FIX,
            )
