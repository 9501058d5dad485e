"""The list of addons, in order. mitmproxy runs them in this order in both directions."""

from __future__ import annotations

import os

from llmitm.home import Home
from llmitm.mitm.console import Console
from llmitm.mitm.dispatch import Dispatch
from llmitm.mitm.gateway import Gateway
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.service import Service
from llmitm.mitm.tunnel import Tunnel
from llmitm.mitm.upstream import Upstream


def chain(home: Home, *, quiet: bool = False) -> list[object]:
    """Return the addons that make mitmproxy llmitm."""
    console = Console(quiet)
    service = Service.start(home, console.recorded)
    hosts = service.hosts
    tunnel = Tunnel(hosts, os.environ.get("LLMITM_LABEL"))  # set by `llmitm run`
    intercept = Intercept(
        hosts, tunnel, service.recorder.submit, service.settings.streams.ask_usage
    )
    console.watch(service.recorder, tunnel, intercept)
    return [
        Upstream(hosts),  # first: options that everything after relies on
        tunnel,  # what is decrypted at all
        Gateway(hosts, console.health),  # re-targets a request before it is identified
        intercept,  # the call itself
        Dispatch(),  # finds handlers faster than stock mitmdump does
        console,  # last: closes the log when all is over
    ]
