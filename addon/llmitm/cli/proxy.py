"""`llmitm proxy`: the proxy for everything on this machine, until it is told to end."""

from __future__ import annotations

import argparse
import os

from llmitm.cli.options import add_port


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `proxy` to the command line."""
    parser = subparsers.add_parser(
        "proxy",
        help="start the proxy and leave it running",
        description=__doc__,
        usage="llmitm proxy [OPTIONS]",
    )
    add_port(parser, "0 takes a free one; else that of the settings, 8080")
    parser.add_argument("--host", help="address to listen on; this machine only by default")
    parser.add_argument("-q", "--quiet", action="store_true", help="no line a call")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="an option of mitmproxy's",
    )
    parser.add_argument(
        "--mode", action="append", default=[], help="a mode of mitmproxy's, such as upstream:URL"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Become the proxy, so that signals and a supervisor meet it and nothing else."""
    from llmitm.environment import original
    from llmitm.errors import ProxyError
    from llmitm.home import home
    from llmitm.running import command, find
    from llmitm.settings import load

    place = home()
    settings = load(place)
    if found := find(place):
        raise ProxyError(
            f"a proxy runs already at {found.url}; end it first, or use it: llmitm env"
        )
    host = arguments.host or settings.proxy.listen
    port = settings.proxy.port if arguments.port is None else arguments.port
    given = ["--host", host, "--port", str(port)]
    given += [item for mode in arguments.mode for item in ("--mode", mode)]
    given += [item for option in arguments.set for item in ("--set", option)]
    given += ["--quiet"] if arguments.quiet else []
    program = command()
    os.execve(program[0], [*program, *given], original(os.environ))
