"""Who has each connection: asked once, by a thread of its own, as soon as the connection makes its first call.

The proxy never waits for it. Whoever writes calls down may wait a moment, which a call that took some time never needs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue

from llmitm.sockets_table import Address, address

log = logging.getLogger("llmitm")

_WAIT_SECONDS = 0.5
_MOST_WAITING = 1_000

type Facts = Mapping[str, str]
type Told = Callable[[], Facts]
"""Returns what is known of a caller."""
type End = tuple[str, int]
"""Host and port, as sockets have them."""


class _Sighting:
    """A connection, and what was found out about its other end."""

    def __init__(self, client: End, proxy: End) -> None:
        self.client = client
        self.proxy = proxy
        self.done = threading.Event()
        self.facts: Facts = {}


class Connections:
    """Remember who has each connection. All but `told` is called from one thread, the proxy's."""

    def __init__(self, look: Callable[[Address, Address], Facts]) -> None:
        self._look = look
        self._known: dict[str, Told] = {}
        self._queue: SimpleQueue[_Sighting | None] = SimpleQueue()
        self._is_stuck = False
        """True where the thread hangs, on a dead network drive perhaps: then nobody waits any more."""
        self._has_failed = False
        self._thread: threading.Thread | None = None

    def seen(self, connection: str, client: End, proxy: End) -> Told:
        """Have the caller of a connection looked for, unless it was; return what tells it."""
        told = self._known.get(connection)
        if told is None:
            sighting = _Sighting(client, proxy)
            if self._queue.qsize() < _MOST_WAITING:
                self._start()
                self._queue.put(sighting)
            else:
                sighting.done.set()
            told = self._known[connection] = lambda: self._tell(sighting)
        return told

    def forget(self, connection: str) -> None:
        """Forget a connection that has closed; its calls keep their caller."""
        self._known.pop(connection, None)

    def close(self) -> None:
        """End the thread, when it has done what was asked for."""
        self._queue.put(None)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="llmitm callers", daemon=True)
            self._thread.start()

    def _tell(self, sighting: _Sighting) -> Facts:
        if not sighting.done.wait(0 if self._is_stuck else _WAIT_SECONDS):
            self._is_stuck = True
        return sighting.facts

    def _work(self) -> None:
        while (sighting := self._queue.get()) is not None:
            try:
                ends = address(*sighting.client[:2]), address(*sighting.proxy[:2])
                sighting.facts = self._look(*ends)
            except Exception:
                if not self._has_failed:
                    self._has_failed = True
                    log.exception("llmitm: fault in looking for who called")
            self._is_stuck = False
            sighting.done.set()
