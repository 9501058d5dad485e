"""How the proxy connects: lazily, and, where the user says so, to one stand-in for all LLM hosts.

`LLMITM_TEST_UPSTREAM=HOST:PORT` sends every call there, under its own host name; the demo, `llmitm doctor` and the
tests prove the whole path that way. `LLMITM_TEST_UPSTREAM_CA=FILE` is the CA to trust for it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from mitmproxy import ctx, exceptions, http
from mitmproxy.proxy import server_hooks

from llmitm.mitm.guard import guarded
from llmitm.providers.hosts import HostTable

log = logging.getLogger("llmitm")

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_STAND_IN = "LLMITM_TEST_UPSTREAM"
_STAND_IN_CA = "LLMITM_TEST_UPSTREAM_CA"


class Upstream:
    """Set what decides about connections to providers."""

    def __init__(self, hosts: HostTable) -> None:
        self._hosts = hosts
        self._stand_in = _address(os.environ.get(_STAND_IN))
        self._meant: dict[str, tuple[str, int]] = {}

    @guarded
    def request(self, flow: http.HTTPFlow) -> None:
        """Go to a host directly that the user's own proxy is not for, such as a model on this machine."""
        if (
            flow.server_conn.via
            and not flow.server_conn.connected
            and _is_direct(flow.request.host)
        ):
            flow.server_conn.via = None

    def load(self, loader: object) -> None:
        """Connect only when a request is really to be sent, so that an answer of ours needs no network.

        Eager connections would also make mitmproxy copy the names of the provider's certificate into ours, and a
        shared certificate's names may lie outside our CA's constraints.
        """
        ctx.options.update(connection_strategy="lazy", upstream_cert=False)
        if ca := os.environ.get(_STAND_IN_CA):
            ctx.options.update(ssl_verify_upstream_trusted_ca=ca)

    @guarded
    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Send a call to the stand-in."""
        address = data.server.address
        if self._stand_in is None or address is None:
            return
        name = data.server.sni or address[0]
        if self._hosts.find(name, address[1]) is not None:
            data.server.sni = name
            data.server.address = self._stand_in
            self._meant[data.server.id] = address

    @guarded
    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Give the connection the address that was meant, by which mitmproxy finds it for the next call."""
        if meant := self._meant.pop(data.server.id, None):
            # mitmproxy refuses this for an open connection, where it would mostly be a mistake.
            object.__setattr__(data.server, "address", meant)


def own_proxy(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return mitmproxy's options that lead through the proxy of the user's own, if they have one."""
    value = environ.get("HTTPS_PROXY") or environ.get("https_proxy")
    if not value or _STAND_IN in environ:  # no proxy leads to a stand-in, which is on this machine
        return {}
    url = urlsplit(value if "://" in value else f"http://{value}")
    if url.scheme not in ("http", "https") or not url.hostname:
        log.warning("llmitm: HTTPS_PROXY has no http or https URL, so calls go past that proxy")
        return {}
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    port = url.port or (443 if url.scheme == "https" else 80)
    options: dict[str, Any] = {"mode": [f"upstream:{url.scheme}://{host}:{port}"]}
    if url.username:
        options["upstream_auth"] = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return options


def _is_direct(host: str) -> bool:
    listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    names = [name.strip().removeprefix("*").lstrip(".") for name in listed.split(",")]
    return any(
        host == name or host.endswith(f".{name}") for name in (*names, *_LOOPBACK) if name
    ) or (listed.strip() == "*")


def _address(value: str | None) -> tuple[str, int] | None:
    if not value:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise exceptions.OptionsError(f"{_STAND_IN}={value!r} is not HOST:PORT")
    return host, int(port)
