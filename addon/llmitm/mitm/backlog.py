"""Let many connections wait at once to be taken: an agent's workers may all begin in the same moment.

asyncio lets 100 wait (https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_server, read
2026-11-26). The system drops what comes beyond, and the client tries again after 1, 2, 4 and more seconds.
"""

from __future__ import annotations

import os
import socket

from mitmproxy import ctx

from llmitm.mitm.guard import guarded

_WAITING = 4_096
"""The system allows as many, or less (`net.core.somaxconn`)."""


class Backlog:
    """Widen what mitmproxy listens with."""

    @guarded
    def running(self) -> None:
        """The proxy listens."""
        for instance in ctx.master.addons.get("proxyserver").servers:
            for server in getattr(instance, "_servers", ()):
                for listening in getattr(server, "sockets", ()):
                    _widen(listening.fileno())


def _widen(descriptor: int) -> None:
    """Listen again: asyncio's sockets have no such method, but a copy of the descriptor is the same socket."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        if same.type == socket.SOCK_STREAM:
            same.listen(_WAITING)
