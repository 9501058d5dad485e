"""The list of addons, in order. mitmproxy runs them in this order in both directions."""

from __future__ import annotations

from llmitm.home import Home
from llmitm.mitm.console import Console
from llmitm.mitm.gateway import Gateway
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.service import Service
from llmitm.mitm.tunnel import Tunnel
from llmitm.mitm.upstream import Upstream


def chain(home: Home) -> list[object]:
    """Return the addons that make mitmproxy llmitm."""
    service = Service.start(home)
    tunnel = Tunnel(service.hosts)
    intercept = Intercept(service.hosts, tunnel, service.recorder.submit, service.settings.streams.ask_usage)
    console = Console(service, tunnel, intercept)
    return [
        Upstream(service.hosts),  # first: options that everything after relies on
        tunnel,  # what is decrypted at all
        Gateway(service.hosts, console.health),  # re-targets a request before it is identified
        intercept,  # the call itself
        console,  # last: says what the others did, and closes the log when all is over
    ]
