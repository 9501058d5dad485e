"""The recorder: one bounded queue and one thread that reads finished exchanges and writes them to the log.

The proxy never waits for it and never fails because of it. When the queue is full bodies are dropped first, then
calls, and both are counted; when the log cannot be written the thread tries again until it can.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Protocol

from llmitm.calls import Exchange, Finished
from llmitm.errors import StoreError
from llmitm.one_core import one_core
from llmitm.settings import LogSettings
from llmitm.store.retention import Retention
from llmitm.store.writer import Writer

log = logging.getLogger("llmitm")

_GATHER_SECONDS = 0.03
"""How long a call may wait for others to share its transaction with."""
_MOST_IN_BATCH = 256
_MOST_BYTES_IN_BATCH = 16 * 1024 * 1024
_MOST_WAITING = 10_000
_MOST_BYTES_WAITING = 64 * 1024 * 1024
_CHUNK_BYTES = 120
"""What a chunk takes beside its bytes: its object, its time, two places in lists."""
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 5.0
_TIDY_AFTER_SECONDS = 0.3
_TIDY_EVERY_SECONDS = 60.0


class Store(Protocol):
    """Where records go."""

    def write(self, batch: Sequence[Finished], losses: Mapping[str, int]) -> Sequence[Finished]:
        """Write all of a batch, and what was lost since the last time, or nothing; return the calls as they count."""

    def tidy(self) -> bool:
        """Do a bounded piece of upkeep; return whether there is more to do."""

    def close(self) -> None:
        """Close the log."""


class Reads(Protocol):
    """What makes exchanges into records."""

    def read(self, exchange: Exchange) -> Finished:
        """Return the record of an exchange."""

    def bare(self, exchange: Exchange, error: BaseException) -> Finished:
        """Return the record of an exchange that `read` failed on."""


class Source(Protocol):
    """What gives exchanges piece by piece, such as a WebSocket; it bounds by itself what waits in it."""

    def take(self) -> Sequence[Exchange]:
        """Return the exchanges that have ended since the last time. Called by the recorder's thread alone."""


@dataclass(slots=True)
class Counters:
    """What became of the calls that were handed in."""

    recorded: int = 0
    dropped_bodies: int = 0
    """Calls that were recorded without their bodies, because too much was waiting."""
    dropped_calls: int = 0
    """Calls that were not taken, because too many were waiting."""
    lost_calls: int = 0
    """Calls that could not be written: their record was at fault, or the proxy ended before the log could be."""
    read_faults: int = 0
    store_faults: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    exchange: Exchange
    size: int
    dropped: str | None


class _Flush(threading.Event):
    pass


type _Work = _Waiting | Source
type _Item = _Work | _Flush


class Recorder:
    """Take exchanges from the proxy, which calls `submit` from one thread only."""

    def __init__(
        self,
        read: Callable[[Exchange], Finished],
        bare: Callable[[Exchange, BaseException], Finished],
        open_store: Callable[[], Store],
        on_recorded: Callable[[Sequence[Finished]], None] | None = None,
        *,
        most_waiting: int = _MOST_WAITING,
        most_bytes_waiting: int = _MOST_BYTES_WAITING,
    ) -> None:
        self.counters = Counters()
        self._read = read
        self._bare = bare
        self._open_store = open_store
        self._on_recorded = on_recorded
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes_waiting
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        # Each is written by one thread only, so neither needs a lock.
        self._bytes_in = 0
        self._bytes_out = 0
        self._handed_in = 0
        self._of_sources = 0
        """Calls that sources have given, less the times that they were asked."""
        self._store: Store | None = None
        self._noted: Counter[str] = Counter()
        self._is_down = False
        self._closing = threading.Event()
        self._hurry = threading.Event()
        """Set where somebody waits for what is in the queue."""
        self._is_behind = False
        self._give_up_at = float("inf")
        self._tidy_at = 0.0
        self._submitter = 0
        self._thread = threading.Thread(target=self._work, name="llmitm recorder", daemon=True)

    @classmethod
    def open(
        cls,
        path: Path,
        reader: Reads,
        settings: LogSettings,
        on_recorded: Callable[[Sequence[Finished]], None] | None = None,
    ) -> Recorder:
        """Return the recorder for a log. Raises `StoreError` where the file is not ours."""
        retention = Retention.of(settings)
        recorder = cls(reader.read, reader.bare, lambda: Writer(path, retention), on_recorded)
        with suppress(sqlite3.Error, OSError):  # the thread will try again, and say so
            recorder._store = recorder._open_store()
        return recorder

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How much was handed in and is neither written yet nor lost."""
        counters = self.counters
        settled = counters.recorded + counters.lost_calls + counters.dropped_calls
        return self._handed_in + self._of_sources - settled

    def start(self) -> None:
        """Start the thread; to be called by the thread that will call `submit`."""
        self._submitter = threading.get_native_id()
        self._thread.start()

    def submit(self, exchange: Exchange) -> None:
        """Take a finished exchange. Does not wait and does not raise."""
        self._handed_in += 1
        size = len(exchange.request_body) + _response_size(exchange)
        free = self._most_bytes - (self._bytes_in - self._bytes_out)
        if self._closing.is_set() or self._queue.qsize() >= self._most_waiting:
            self.counters.dropped_calls += 1
            _close_rest(exchange)
            return
        dropped = None
        if size > free:
            # Usage and cost are in the response, so the request goes first.
            exchange.request_body, dropped = b"", "request"
            size = _response_size(exchange)
            if size > free + self._most_bytes // 4:
                _close_rest(exchange)
                exchange.chunks, exchange.chunk_times, dropped, size = (
                    [],
                    [],
                    "request and the response",
                    0,
                )
            self.counters.dropped_bodies += 1
        self._bytes_in += size
        self._queue.put(_Waiting(exchange, size, dropped))

    def follow(self, source: Source) -> None:
        """Have the thread take what `source` has. Does not wait and does not raise."""
        self._handed_in += 1
        self._queue.put(source)

    def flush(self, timeout: float) -> bool:
        """Wait until everything handed in before is in the log; return whether it is."""
        done = _Flush()
        self._queue.put(done)
        self._hurry.set()
        return done.wait(timeout)

    def close(self, timeout: float) -> bool:
        """Write what is waiting, within `timeout` seconds, and end the thread; return whether all was written."""
        self._give_up_at = monotonic() + timeout
        self._closing.set()
        self._queue.put(None)
        self._hurry.set()
        self._thread.join(timeout + 1)
        return not self._thread.is_alive() and self._queue.empty()

    def _work(self) -> None:
        while True:
            item = self._next(self._tidy_at)
            if item is not None and not isinstance(item, _Flush):
                # Woken once a batch and not once a call: two threads that take turns at each call cost both.
                if not self._is_behind:
                    self._hurry.wait(_GATHER_SECONDS)
                with one_core(self._submitter):
                    item = self._write_down(item)
            if isinstance(item, _Flush):
                self._hurry.clear()
                item.set()
            if self._closing.is_set():
                if monotonic() > self._give_up_at or (item is None and self._queue.empty()):
                    break
            elif monotonic() >= self._tidy_at:
                self._tidy()
        self._end()

    def _write_down(self, item: _Work) -> _Flush | None:
        """Read and write a batch that begins with `item`; return what else was met in the queue."""
        batch: list[Finished] = []
        size = 0
        until = monotonic() + _GATHER_SECONDS
        next_item: _Item | None = item
        self._is_behind = False
        while next_item is not None and not isinstance(next_item, _Flush):
            for waiting in self._unpacked(next_item):
                record = self._make_record(waiting)
                if record is not None:
                    batch.append(record)
                size += waiting.size
            if len(batch) >= _MOST_IN_BATCH or size >= _MOST_BYTES_IN_BATCH or monotonic() >= until:
                self._is_behind = not self._queue.empty()
                next_item = None
            else:
                next_item = self._next(0.0)
        if batch:
            self._commit(batch)
            self._tidy_at = min(self._tidy_at, monotonic() + _TIDY_AFTER_SECONDS)
        return next_item

    def _unpacked(self, item: _Work) -> Sequence[_Waiting]:
        if isinstance(item, _Waiting):
            self._bytes_out += item.size
            return (item,)
        try:
            taken = item.take()
        except Exception:
            self.counters.read_faults += 1
            log.exception("llmitm: fault in reading a socket; what it carried is not logged")
            taken = ()
        self._of_sources += len(taken) - 1
        return [
            _Waiting(exchange, len(exchange.request_body) + _response_size(exchange), None)
            for exchange in taken
        ]

    def _next(self, until: float) -> _Item | None:
        try:
            return self._queue.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            return None

    def _make_record(self, waiting: _Waiting) -> Finished | None:
        exchange = waiting.exchange
        try:
            record = self._read(exchange)
        except Exception as error:
            self.counters.read_faults += 1
            if self.counters.read_faults == 1:
                log.exception("llmitm: a call could not be read; it is logged without its meaning")
            try:
                record = self._bare(exchange, error)
            except Exception:
                self.counters.lost_calls += 1
                return None
        if waiting.dropped:
            record.notes = [
                *record.notes,
                f"dropped, since too much was waiting for the log: the {waiting.dropped}",
            ]
        return record

    def _commit(self, batch: Sequence[Finished]) -> None:
        """Write a batch: again and again while the log is at fault, one by one when a record is."""
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                if self._store is None:
                    self._store = self._open_store()
                losses = self._new_losses()
                written = self._store.write(batch, losses)
            except Exception as error:
                if _is_of_the_store(error):
                    self._lay_down(error)
                    left = self._give_up_at - monotonic()
                    if left <= 0:
                        self.counters.lost_calls += len(batch)
                        return
                    # While closing, waiting for the event would not wait.
                    pause = min(delay, left)
                    if self._closing.wait(pause):
                        sleep(pause)
                    delay = min(delay * 2, _LONGEST_RETRY_SECONDS)
                elif len(batch) > 1:
                    for record in batch:
                        self._commit([record])
                    return
                else:
                    self.counters.lost_calls += 1
                    log.exception("llmitm: a call could not be written to the log")
                    return
            else:
                self._committed(written, losses)
                return

    def _committed(self, batch: Sequence[Finished], losses: Mapping[str, int]) -> None:
        self._noted.update(losses)
        self.counters.recorded += len(batch)
        if self._is_down:
            self._is_down = False
            log.warning("llmitm: the log is written again")
        if self._on_recorded is not None:
            try:
                self._on_recorded(batch)
            except Exception:
                log.exception("llmitm: fault in showing recorded calls")

    def _new_losses(self) -> dict[str, int]:
        """Return what was lost since the log was last told, by reason."""
        lost = Counter(
            {
                "body dropped": self.counters.dropped_bodies,
                "call dropped": self.counters.dropped_calls,
                "call not written": self.counters.lost_calls,
            }
        )
        return dict(lost - self._noted)

    def _lay_down(self, error: Exception) -> None:
        """Give the log up for now: opened afresh it may be well again."""
        self.counters.store_faults += 1
        if not self._is_down:
            self._is_down = True
            log.warning("llmitm: the log cannot be written, calls pass on and wait: %s", error)
        store, self._store = self._store, None
        if store is not None:
            with suppress(Exception):
                store.close()

    def _tidy(self) -> None:
        more = False
        if self._store is not None:
            try:
                more = self._store.tidy()
            except Exception as error:
                self._lay_down(error)
        self._tidy_at = monotonic() + (_TIDY_AFTER_SECONDS if more else _TIDY_EVERY_SECONDS)

    def _end(self) -> None:
        while not self._queue.empty():
            item = self._queue.get()
            if isinstance(item, _Waiting):
                self.counters.lost_calls += 1
                _close_rest(item.exchange)
            elif isinstance(item, _Flush):
                item.set()
        if self._store is not None:
            with suppress(Exception):
                self._store.close()


def _response_size(exchange: Exchange) -> int:
    return sum(map(len, exchange.chunks)) + _CHUNK_BYTES * len(exchange.chunks)


def _close_rest(exchange: Exchange) -> None:
    if exchange.rest is not None:
        exchange.rest.close()
        exchange.rest = None


def _is_of_the_store(error: Exception) -> bool:
    """Tell a log that cannot be written (full, locked, read-only, broken, gone) from a record that cannot."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError):
        return False
    return isinstance(error, sqlite3.DatabaseError | StoreError | OSError)
