"""Three figures for a status line, asked in a few milliseconds: without the reader and all that it brings."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from llmitm.store.opening import open_readable

_HOUR_MS = 3_600_000


class Glance(NamedTuple):
    """What was spent, in nano-dollars."""

    session_nanousd: int | None
    """None where the log has no call of the session."""
    session_input_tokens: int
    session_cached_tokens: int
    today_nanousd: int


def glance(path: Path, session: str | None, midnight_ms: int) -> Glance:
    """Look at a session and at the day that began at midnight. Raises `StoreError`, `sqlite3.Error`."""
    connection = open_readable(path)
    try:
        connection.execute("PRAGMA busy_timeout = 50")
        row: tuple[int | None, ...] = (None, None, None)
        if session is not None:
            row = connection.execute(_SESSION, (session,)).fetchone()
        first = -(-midnight_ms // _HOUR_MS)
        today = _sum(connection, _HOURS, (first,))
        # Where midnight is not at a full hour of UTC, the calls up to the next one are looked at.
        today += _sum(connection, _CALLS, (midnight_ms, first * _HOUR_MS))
    finally:
        connection.close()
    return Glance(row[0], row[1] or 0, row[2] or 0, today)


def _sum(connection: sqlite3.Connection, query: str, values: tuple[int, ...]) -> int:
    return int(connection.execute(query, values).fetchone()[0] or 0)


_SESSION = (
    "SELECT sum(cost_nanousd), sum(counted * coalesce(input_tokens, 0)),"
    " sum(counted * coalesce(cached_input_tokens, 0)) FROM calls INDEXED BY calls_by_session WHERE session_id = ?"
)
_HOURS = "SELECT sum(cost_nanousd) FROM hours WHERE hour >= ?"
_CALLS = "SELECT sum(cost_nanousd) FROM calls INDEXED BY calls_by_time WHERE started_at >= ? AND started_at < ?"
