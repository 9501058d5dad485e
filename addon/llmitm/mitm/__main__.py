"""`python -m llmitm.mitm`: mitmproxy's core with our addons and little else.

mitmdump loads some forty addons and asks each of them about every event. Here only those are loaded that a
proxy needs, and the handlers of each event are looked up once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address

from mitmproxy import exceptions, master, options
from mitmproxy.addons import (
    core,
    disable_h2c,
    errorcheck,
    next_layer,
    proxyserver,
    tlsconfig,
    update_alt_svc,
    upstream_auth,
)

from llmitm import __version__, files
from llmitm.bundle import upstream_roots
from llmitm.errors import LlmitmError
from llmitm.home import Home, home
from llmitm.mitm.chain import chain
from llmitm.mitm.dispatch import ResolvedAddons
from llmitm.mitm.trims import trim_checks
from llmitm.mitm.upstream import own_proxy
from llmitm.providers import hosts as host_table
from llmitm.running import Running
from llmitm.settings import load as load_settings
from llmitm.trust import ensure

_GIL_SWITCH_SECONDS = 0.0005
"""The worker that parses must not hold up a chunk: Python's default of 5 ms would."""


class LeanMaster(master.Master):
    """mitmproxy with the addons that a proxy needs."""

    def __init__(self, opts: options.Options) -> None:
        super().__init__(opts, with_termlog=False)
        trim_checks()
        self.addons = ResolvedAddons(self)
        self.addons.add(
            core.Core(),
            disable_h2c.DisableH2C(),
            proxyserver.Proxyserver(),
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
            upstream_auth.UpstreamAuth(),
            update_alt_svc.UpdateAltSvc(),
            errorcheck.ErrorCheck(),
        )


class Announce:
    """Say where the proxy listens, to a person or to the program that started it."""

    def __init__(
        self, master_: LeanMaster, place: Home, ready_fd: int | None, private: bool
    ) -> None:
        self._master = master_
        self._home = place
        self._ready_fd = ready_fd
        self._private = private
        self._pid = os.getpid()

    def running(self) -> None:
        """The proxy listens."""
        server = self._master.addons.get("proxyserver")
        host, port = server.listen_addrs()[0][:2]
        if ip_address(host).is_unspecified:
            host = "127.0.0.1"
        state = {
            "pid": self._pid,
            "host": host,
            "port": port,
            "started_at": time.time(),
            "version": __version__,
        }
        if not self._private:
            files.replace(self._home.running, json.dumps(state).encode())
        if self._ready_fd is not None:
            os.write(self._ready_fd, json.dumps({"port": port}).encode() + b"\n")
            os.close(self._ready_fd)
        else:
            _greet(host, port, self._master.options.listen_host)

    def done(self) -> None:
        """The proxy ends."""
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self._home.running.read_text())["pid"] == self._pid:
                self._home.running.unlink()


def _greet(host: str, port: int, listen_host: str) -> None:
    url = Running(port, host).url
    print(
        f'llmitm: proxy at {url}      llmitm run -- COMMAND, or eval "$(llmitm env)"\n'
        f"llmitm: base URLs, no CA    {url}/openai/v1, {url}/anthropic, {url}/gemini ...",
        file=sys.stderr,
    )
    if listen_host != "localhost" and not ip_address(listen_host).is_loopback:
        print("llmitm: other machines can reach it, and nothing asks who they are", file=sys.stderr)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m llmitm.mitm", description=__doc__)
    parser.add_argument("--port", type=int, help="0 takes a free port")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument(
        "--mode", action="append", default=[], help="a mode of mitmproxy, such as upstream:URL"
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="options", metavar="OPTION=VALUE"
    )
    parser.add_argument(
        "--private", action="store_true", help="for one program: not to be found by others"
    )
    parser.add_argument("--ready-fd", type=int, help="write the port there once it is open")
    parser.add_argument(
        "--while-fd", type=int, help="end when nobody holds the other end of this pipe any more"
    )
    parser.add_argument("--quiet", action="store_true", help="no line a call")
    return parser.parse_args(arguments)


async def _run(arguments: argparse.Namespace) -> None:
    place = home()
    place.create()
    settings = load_settings(place)
    opts = options.Options()
    lean = LeanMaster(opts)
    hosts = host_table.load(settings.provider)
    ensure(place, hosts.names())
    ours = chain(place, settings, hosts, quiet=arguments.quiet)
    lean.addons.add(*ours, Announce(lean, place, arguments.ready_fd, arguments.private))
    opts.update(
        confdir=str(place.ca),
        ssl_verify_upstream_trusted_ca=opts.ssl_verify_upstream_trusted_ca
        or str(upstream_roots(place, os.environ)),
        listen_host=arguments.host or settings.proxy.listen,
        listen_port=settings.proxy.port if arguments.port is None else arguments.port,
        mode=["regular"],
    )
    opts.update(**({"mode": arguments.mode} if arguments.mode else own_proxy(os.environ)))
    opts.set(*arguments.options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lean.shutdown)
    if arguments.while_fd is not None:
        descriptor = arguments.while_fd

        def end() -> None:
            loop.remove_reader(descriptor)
            lean.shutdown()  # type: ignore[no-untyped-call]

        loop.add_reader(descriptor, end)
    await lean.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proxy until it is told to end."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("llmitm").setLevel(logging.INFO)
    sys.setswitchinterval(_GIL_SWITCH_SECONDS)
    try:
        asyncio.run(_run(_arguments(arguments)))
    except (LlmitmError, exceptions.OptionsError) as error:
        print(f"llmitm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
