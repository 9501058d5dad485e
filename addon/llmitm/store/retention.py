"""Take away what is old or too much, a bounded step at a time. The hourly sums stay."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
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
        """Remove at most some hundred rows; return whether any were. `now` is in seconds. Raises `sqlite3.Error`."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            removed = (
                self._old_calls(connection, now)
                or self._old_bodies(connection, now)
                or self._oldest_bodies(connection)
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})").fetchall()
        return removed

    def _old_calls(self, connection: sqlite3.Connection, now: float) -> bool:
        if self.keep_days is None:
            return False
        before = int(now * 1000) - self.keep_days * _DAY_MS
        keys = [
            key
            for (key,) in connection.execute(
                "SELECT key FROM calls WHERE started_at < ? ORDER BY started_at LIMIT ?",
                (before, _ROWS_A_STEP),
            )
        ]
        for key in keys:
            _release_bodies(connection, key)
            connection.execute("DELETE FROM properties WHERE call_key = ?", (key,))
            connection.execute("DELETE FROM calls WHERE key = ?", (key,))
        return bool(keys)

    def _old_bodies(self, connection: sqlite3.Connection, now: float) -> bool:
        if self.keep_bodies_days is None:
            return False
        before = int(now * 1000) - self.keep_bodies_days * _DAY_MS
        return _take_bodies(connection, "started_at < ?", (before,))

    def _oldest_bodies(self, connection: sqlite3.Connection) -> bool:
        if self.max_size_mb is None:
            return False
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size <= self.max_size_mb * _MB:
            return False
        return _take_bodies(connection, "1", ())


def _take_bodies(connection: sqlite3.Connection, condition: str, values: tuple[int, ...]) -> bool:
    query = (
        "SELECT key FROM calls WHERE (request_pieces IS NOT NULL OR response_pieces IS NOT NULL)"
        f" AND {condition} ORDER BY started_at LIMIT {_ROWS_A_STEP}"
    )
    keys = [key for (key,) in connection.execute(query, values)]
    for key in keys:
        _release_bodies(connection, key)
    return bool(keys)


def _release_bodies(connection: sqlite3.Connection, key: int) -> None:
    request, response, text = connection.execute(
        "SELECT request_pieces, response_pieces, response_text_node_id FROM calls WHERE key = ?",
        (key,),
    ).fetchone()
    release(connection, request)
    release(connection, response)
    if text is not None:
        release(connection, f"[{text}]")
    connection.execute(
        "UPDATE calls SET request_pieces = NULL, response_pieces = NULL, prompt_part_id = NULL,"
        " response_part_id = NULL, response_text_node_id = NULL, turns_node_id = NULL WHERE key = ?",
        (key,),
    )
