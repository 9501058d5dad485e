"""The answers' file: SQLite, read by one thread and written by another, and never in the way of a call.

A row counts only with its checksum; one without is taken away and is a miss. A file that is damaged is moved aside and a
new one begun. What cannot be written is left out.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

from llmitm.answers import file
from llmitm.answers.answer import StoredAnswer, checksum, pack, unpack

log = logging.getLogger("llmitm")

_MOST_WAITING = 10_000
_MOST_BYTES_WAITING = 128 * 1024 * 1024
_BATCH = 200
_LARGEST_SHARE = 8
"""An answer may take the eighth part of the room."""
_ROOM_MADE = 0.9
_COUNT_AGAIN_SECONDS = 60
"""Other processes write into the same file, so its size is not what this one has added up."""


class Found(NamedTuple):
    """An answer out of the file."""

    answer: StoredAnswer
    bucket: int


class _Save(NamedTuple):
    key: bytes
    bucket_size: int
    answer: StoredAnswer
    size: int


class _Used(NamedTuple):
    row: int
    at: float


class _Bad(NamedTuple):
    row: int


type _Order = _Save | _Used | _Bad | threading.Event | None


class AnswerStore:
    """Answers by key."""

    def __init__(
        self,
        path: Path,
        most_bytes: int,
        *,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._clock = clock
        self._random = random or Random()
        self._orders: queue.Queue[_Order] = queue.Queue(_MOST_WAITING)
        self._bytes_waiting = 0
        self._lock = threading.Lock()
        self._unwritten: dict[bytes, list[_Save]] = {}
        self._reading: sqlite3.Connection | None = None
        self._stale = threading.Event()
        self.counters: Counter[str] = Counter()
        """`saved`, `evicted`, `dropped` (too much was waiting), `bad` (rows that were not whole)."""
        self.reads = ThreadPoolExecutor(1, "llmitm-answers-read")
        """Where `look_up` is to be called."""
        self._writer = threading.Thread(target=self._write, name="llmitm-answers", daemon=True)
        self._has_started = False

    # --- reading: on the thread of `reads`

    def look_up(self, key: bytes, bucket_size: int = 1) -> Found | None:
        """Return an answer to a key; None where there is none, or the bucket is not full yet. Does not raise."""
        with self._lock:
            unwritten = list(self._unwritten.get(key, ()))
        if unwritten and bucket_size == 1:
            return Found(unwritten[-1].answer, 0)
        try:
            return self._look_up(key, bucket_size)
        except sqlite3.DatabaseError as error:
            self._forget_reader()
            if _is_damage(error):
                # The writer has a connection to lose as well, and so does the moving.
                self._order(_Bad(-1))
            return None

    def _look_up(self, key: bytes, bucket_size: int) -> Found | None:
        if self._stale.is_set():
            self._stale.clear()
            self._forget_reader()
        if self._reading is None:
            self._reading = file.open_readable(self._path)
            if self._reading is None:
                return None
        rows = self._reading.execute(
            "SELECT id, bucket, about, body, checksum FROM answers"
            " WHERE key = ? AND expires_at > ? ORDER BY bucket",
            (key, self._clock()),
        ).fetchall()
        if len(rows) < bucket_size:
            return None
        row, bucket, about, body, told = self._random.choice(rows[:bucket_size])
        try:
            if checksum(key, bucket, about, body) != told:
                raise ValueError("its checksum is another")
            answer = unpack(about, body)
        except (ValueError, TypeError) as error:
            log.warning("llmitm: %s: row %d is left out: %s", self._path, row, error)
            self.counters["bad"] += 1
            self._order(_Bad(row))
            return None
        self._order(_Used(row, self._clock()))
        return Found(answer, bucket)

    def _forget_reader(self) -> None:
        if self._reading is not None:
            with suppress(sqlite3.Error):
                self._reading.close()
            self._reading = None

    # --- writing: asked for on any thread, done on one

    def save(self, key: bytes, bucket_size: int, answer: StoredAnswer) -> bool:
        """Keep an answer; return whether it is taken. Does not wait. It can be found from now on."""
        size = sum(map(len, answer.chunks))
        if size > self._most_bytes // _LARGEST_SHARE:
            self.counters["dropped"] += 1
            return False
        order = _Save(key, bucket_size, answer, size)
        with self._lock:
            if self._bytes_waiting + size > _MOST_BYTES_WAITING:
                self.counters["dropped"] += 1
                return False
            self._bytes_waiting += size
            self._unwritten.setdefault(key, []).append(order)
        if not self._order(order):
            self._written([order])
            return False
        return True

    def flush(self, seconds: float = 10) -> bool:
        """Wait until all that was saved is in the file; return whether it is."""
        done = threading.Event()
        return self._order(done) and done.wait(seconds)

    def close(self, seconds: float = 10) -> None:
        """Write what is waiting and end the threads."""
        if self._has_started:
            self._orders.put(None)
            self._writer.join(seconds)
        self.reads.submit(self._forget_reader)
        self.reads.shutdown()

    def _order(self, order: _Order) -> bool:
        with self._lock:
            if not self._has_started:
                self._has_started = True
                self._writer.start()
        try:
            self._orders.put_nowait(order)
        except queue.Full:
            self.counters["dropped"] += 1
            return False
        return True

    def _write(self) -> None:
        writing = _Writing(self._path, self._most_bytes, self._clock, self.counters)
        while True:
            orders = [self._orders.get()]
            with suppress(queue.Empty):
                while len(orders) < _BATCH:
                    orders.append(self._orders.get_nowait())
            saves = [order for order in orders if isinstance(order, _Save)]
            try:
                writing.carry_out(orders)
            except (sqlite3.Error, OSError) as error:
                self.counters["dropped"] += len(saves)
                if writing.give_up(error):
                    self._stale.set()
            except Exception:
                self.counters["dropped"] += len(saves)
                log.exception("llmitm: answers could not be saved")
            self._written(saves)
            for order in orders:
                if isinstance(order, threading.Event):
                    order.set()
            if None in orders:
                writing.close()
                return

    def _written(self, saves: Sequence[_Save]) -> None:
        with self._lock:
            for save in saves:
                self._bytes_waiting -= save.size
                waiting = self._unwritten.get(save.key, [])
                if save in waiting:
                    waiting.remove(save)
                if not waiting:
                    self._unwritten.pop(save.key, None)


class _Writing:
    """The writing end of the file. Its errors are SQLite's and the system's."""

    def __init__(
        self, path: Path, most_bytes: int, clock: Callable[[], float], counters: Counter[str]
    ) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._clock = clock
        self._counters = counters
        self._connection: sqlite3.Connection | None = None
        self._size = 0
        self._counted_at = float("-inf")
        self._has_warned = False

    def carry_out(self, orders: Sequence[_Order]) -> None:
        """Do what is ordered, as one transaction."""
        if not any(isinstance(order, _Save | _Used | _Bad) for order in orders):
            return
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for order in orders:
                match order:
                    case _Save():
                        self._save(connection, order)
                    case _Used(row, at):
                        connection.execute(
                            "UPDATE answers SET used_at = ?, hits = hits + 1 WHERE id = ?",
                            (at, row),
                        )
                    case _Bad(row) if row >= 0:
                        connection.execute("DELETE FROM answers WHERE id = ?", (row,))
                    case _Bad():
                        file.check(connection)
            self._make_room(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def give_up(self, error: sqlite3.Error | OSError) -> bool:
        """Let go of the file after an error; return whether it was damaged and is a new one now."""
        self.close()
        damaged = isinstance(error, sqlite3.DatabaseError) and _is_damage(error)
        aside = file.move_aside(self._path) if damaged else None
        if not self._has_warned:
            self._has_warned = True
            what = f"moved to {aside} and begun anew" if aside else "not written"
            log.warning("llmitm: the answers' file %s is %s: %s", self._path, what, error)
        return damaged

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and not self._path.exists():
            self.close()  # somebody has taken it away
        if self._connection is None:
            self._connection = file.open_writable(self._path)
            self._counted_at = float("-inf")
        return self._connection

    def _save(self, connection: sqlite3.Connection, order: _Save) -> None:
        now, key = self._clock(), order.key
        rows = connection.execute(
            "SELECT bucket, expires_at <= ?, saved_at FROM answers WHERE key = ?", (now, key)
        ).fetchall()
        bucket = _bucket(rows, order.bucket_size)
        about, body = pack(order.answer)
        told = order.answer.about
        size = len(about) + len(body)
        connection.execute(
            "INSERT OR REPLACE INTO answers (key, bucket, call_id, provider, operation, model, saved_at,"
            " expires_at, used_at, hits, size, about, body, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
            (
                key,
                bucket,
                told.call_id,
                told.provider,
                told.operation,
                told.model,
                told.saved_at,
                told.expires_at,
                now,
                size,
                about,
                body,
                checksum(key, bucket, about, body),
            ),
        )
        self._size += size
        self._counters["saved"] += 1

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Take away what was not used for longest, once there is too much."""
        if (now := self._clock()) - self._counted_at > _COUNT_AGAIN_SECONDS:
            self._count(connection)
            self._counted_at = now
        if self._size <= self._most_bytes:
            return
        self._count(connection)  # what was replaced was added up too
        over = self._size - int(self._most_bytes * _ROOM_MADE)
        if self._size <= self._most_bytes:
            return
        oldest = []
        for row, size in connection.execute("SELECT id, size FROM answers ORDER BY used_at, id"):
            if over <= 0:
                break
            oldest.append((row,))
            over -= size
        connection.executemany("DELETE FROM answers WHERE id = ?", oldest)
        self._counters["evicted"] += len(oldest)
        self._count(connection)

    def _count(self, connection: sqlite3.Connection) -> None:
        self._size = connection.execute("SELECT coalesce(sum(size), 0) FROM answers").fetchone()[0]


def _bucket(rows: Sequence[tuple[int, int, float]], bucket_size: int) -> int:
    """Return where an answer goes: a place that is free, or expired, or else has the oldest."""
    taken = {bucket: saved_at for bucket, expired, saved_at in rows if not expired}
    free = (number for number in range(bucket_size) if number not in taken)
    inside = {number: taken[number] for number in range(bucket_size) if number in taken}
    found = next(free, None)
    return min(inside, key=inside.__getitem__) if found is None else found


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell a damaged file from one that is locked, full or out of reach."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(
        error, file.Strange
    )
