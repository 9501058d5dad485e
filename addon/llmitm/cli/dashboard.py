"""`llmitm dashboard`: the log in the browser."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from llmitm.cli.options import add_port
from llmitm.errors import LlmitmError

PORT = 8090
_NICE = 5
"""Where a machine has too much to do, calls go before charts."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `dashboard`, also `dash`, to the command line."""
    parser = subparsers.add_parser(
        "dashboard",
        aliases=["dash"],
        help="the log in the browser: spend, calls, conversations, runs",
        description=__doc__,
    )
    add_port(
        parser, f"where it listens, on loopback only; {PORT}, or a free one where that is taken"
    )
    parser.add_argument("--no-open", action="store_true", help="do not open the browser")
    parser.add_argument("--read-only", action="store_true", help="nothing can be changed from it")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import asyncio  # which no other verb needs to wait for

    return asyncio.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    import asyncio
    import webbrowser

    from llmitm.dashboard import announcement
    from llmitm.dashboard.server import serve
    from llmitm.home import home

    place = home()
    if hasattr(os, "nice"):
        os.nice(_NICE)
    try:
        dashboard, server = await serve(
            place,
            PORT if arguments.port is None else arguments.port,
            read_only=arguments.read_only,
            or_free=arguments.port is None,
        )
    except OSError as error:
        raise LlmitmError(
            f"the dashboard cannot listen on port {arguments.port}: {error}"
        ) from error
    # The proxy knows of it before anybody else has the link.
    with announcement.announced(place, dashboard.port):
        print(f"llmitm: the dashboard is at {dashboard.url}", file=sys.stderr, flush=True)
        print("llmitm: Ctrl-C ends it", file=sys.stderr, flush=True)
        if not arguments.no_open:
            await asyncio.to_thread(webbrowser.open, dashboard.url)
        try:
            await _ended()
        finally:
            server.stop()
    return 0


async def _ended() -> None:
    """Wait until somebody wants it to end."""
    import asyncio

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ended.set)
    await ended.wait()
