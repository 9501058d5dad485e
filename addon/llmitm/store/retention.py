"""Take away what is old or too much, a bounded step at a time. The hourly sums stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol, Self

from llmitm.store.bodies import release

_ROWS_A_STEP = 200
_PAGES_A_STEP = 2_000
_DAY_MS = 86_400_000
_MB = 1024 * 1024


class _LogSettings(Protocol):
    @property
    def keep_days(self) -> int | None: ...
    @property
    def keep_bodies_days(self) -> int | None: ...
    @property
    def max_size_mb(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Retention:
    """How long calls and their bodies are kept; None is for ever."""

    keep_days: int | None = None
    keep_bodies_days: int | None = None
    max_size_mb: int | None = None

    @classmethod
    def of(cls, settings: _LogSettings) -> Self:
        """Take the limits out of the settings."""
        return cls(settings.keep_days, settings.keep_bodies_days, settings.max_size_mb)

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return (self.keep_days, self.keep_bodies_days, self.max_size_mb) != (None, None, None)

    def step(self, connection: sqlite3.Connection, now: float) -> bool:
        """Remove at most some hundred rows, within a transaction; return whether any were. `now` is in seconds."""
        return (
            self._old_calls(connection, now)
            or self._old_bodies(connection, now)
            or self._oldest(connection)
        )

    def give_back(self, connection: sqlite3.Connection) -> bool:
        """Give free pages back to the file system, some at a time; return whether that goes on."""
        before = connection.execute("PRAGMA freelist_count").fetchone()[0]
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})").fetchall()
        after = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return bool(0 < after < before)

    def _old_calls(self, connection: sqlite3.Connection, now: float) -> bool:
        if self.keep_days is None:
            return False
        before = int(now * 1000) - self.keep_days * _DAY_MS
        return _remove_calls(connection, "WHERE started_at < ?", (before,))

    def _old_bodies(self, connection: sqlite3.Connection, now: float) -> bool:
        if self.keep_bodies_days is None:
            return False
        before = int(now * 1000) - self.keep_bodies_days * _DAY_MS
        # Calls end in another order than they begin, but by minutes, not days: the first that is young ends it.
        oldest = connection.execute(
            "SELECT call_key, started_at FROM bodies JOIN calls ON key = call_key ORDER BY call_key LIMIT ?",
            (_ROWS_A_STEP,),
        ).fetchall()
        keys = [key for key, _ in takewhile(lambda row: row[1] < before, oldest)]
        return _remove_bodies(connection, keys)

    def _oldest(self, connection: sqlite3.Connection) -> bool:
        """Remove the oldest bodies, and calls when no body is left, from a file that is too large."""
        if self.max_size_mb is None:
            return False
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size <= self.max_size_mb * _MB:
            return False
        query = "SELECT call_key FROM bodies ORDER BY call_key LIMIT ?"
        keys = [key for (key,) in connection.execute(query, (_ROWS_A_STEP,))]
        return _remove_bodies(connection, keys) or _remove_calls(connection, "", ())


def _remove_bodies(connection: sqlite3.Connection, keys: Sequence[int]) -> bool:
    for key in keys:
        release(connection, key)
    return bool(keys)


def _remove_calls(connection: sqlite3.Connection, where: str, values: Sequence[int]) -> bool:
    query = f"SELECT key FROM calls {where} ORDER BY started_at LIMIT {_ROWS_A_STEP}"
    keys = [key for (key,) in connection.execute(query, values)]
    for key in keys:
        release(connection, key)
        for table in ("properties", "price_changes", "earlier_attempts"):
            connection.execute(f"DELETE FROM {table} WHERE call_key = ?", (key,))
        connection.execute("DELETE FROM calls WHERE key = ?", (key,))
    return bool(keys)
