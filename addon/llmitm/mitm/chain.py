"""The list of addons, in order. mitmproxy runs them in this order in both directions."""

from __future__ import annotations

import os

from llmitm.home import Home
from llmitm.mitm.callers import Callers
from llmitm.mitm.console import Console
from llmitm.mitm.dispatch import Dispatch
from llmitm.mitm.gateway import Gateway
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.sockets import Sockets
from llmitm.mitm.tunnel import Tunnel
from llmitm.mitm.upstream import Upstream
from llmitm.providers.hosts import HostTable
from llmitm.readers import FollowingReader, reader
from llmitm.recorder import Recorder
from llmitm.settings import Settings


def chain(home: Home, settings: Settings, hosts: HostTable, *, quiet: bool = False) -> list[object]:
    """Return the addons that make mitmproxy llmitm, and start the recorder behind them."""
    console = Console(quiet)
    read = FollowingReader(reader(home, settings.log, hosts, keep_bodies=settings.log.bodies))
    recorder = Recorder.open(home.database, read, settings.log, console.recorded)
    recorder.start()
    tunnel = Tunnel(hosts, os.environ.get("LLMITM_LABEL"))  # set by `llmitm run`
    sockets = Sockets(hosts, recorder.follow, settings.sockets.refuse_responses)
    callers = Callers.of(settings)
    intercept = Intercept(
        hosts, tunnel, recorder.submit, settings.streams.ask_usage, callers.told, sockets
    )
    console.watch(recorder, tunnel, intercept)
    return [
        Upstream(hosts),  # first: options that everything after relies on
        tunnel,  # what is decrypted at all
        Gateway(hosts, console.health),  # re-targets a request before it is identified
        callers,  # who makes it
        intercept,  # the call itself
        Dispatch(),  # finds handlers faster than stock mitmdump does
        console,  # last: closes the log when all is over
    ]
