"""For `mitmdump -s`: nothing but what any interception needs, as the yardstick.

Lazy connections, a pass-through tap on every response, and the stand-in for the provider.
"""

import os

from mitmproxy import ctx, http
from mitmproxy.proxy import server_hooks


class Bare:
    def __init__(self) -> None:
        host, port = os.environ["LLMITM_TEST_UPSTREAM"].split(":")
        self._address = (host, int(port))
        self._asked: dict[str, tuple[str, int]] = {}

    def load(self, loader: object) -> None:
        ca = os.environ["LLMITM_TEST_UPSTREAM_CA"]
        ctx.options.update(
            connection_strategy="lazy", upstream_cert=False, ssl_verify_upstream_trusted_ca=ca
        )

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        if data.server.address is not None:
            data.server.sni = data.server.sni or data.server.address[0]
            self._asked[data.server.id] = data.server.address
            data.server.address = self._address

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        # mitmproxy looks for an open connection by the address that was asked for; without this it would open
        # a new one for every call. The check that forbids this change is in `__setattr__`.
        if asked := self._asked.pop(data.server.id, None):
            vars(data.server)["address"] = asked

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            flow.response.stream = lambda data: data


addons = [Bare()]
