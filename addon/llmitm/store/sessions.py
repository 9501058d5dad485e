"""Sessions: what calls of one session add up to, and by the paths that its calls name."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from llmitm.store import sums
from llmitm.store.filters import Filter
from llmitm.store.sums import Sums


@dataclass(frozen=True, slots=True)
class Session:
    """A session, and the sums of each of its paths."""

    id: str
    name: str | None
    user: str | None
    client: str | None
    started_at: int
    ended_at: int
    sums: Sums
    paths: Sequence[Sums] = ()
    """`by` is the path, empty where a call names none."""


def latest(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[Session]:
    """Return sessions that have calls which fit, the one with the latest call first."""
    return read(connection, _names(connection, wanted, limit))


def _names(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[str]:
    where, values = sums.where(connection, wanted)
    # The index alone knows the latest call of each session; with a filter the calls have to be looked at.
    table = "calls INDEXED BY calls_by_session" if wanted == Filter() else "calls"
    query = (
        f"SELECT session_id FROM {table} WHERE session_id IS NOT NULL AND {where}"
        " GROUP BY session_id ORDER BY max(key) DESC LIMIT ?"
    )
    return [name for (name,) in connection.execute(query, [*values, limit])]


def read(connection: sqlite3.Connection, names: Sequence[str]) -> list[Session]:
    """Return sessions by their ids, in that order; those that there are.

    Calls of a session's conversations that name no session belong to it too.
    """
    found: dict[str, Session] = {}
    for name in names:
        query = f"SELECT {_ABOUT} FROM {_CALLS}"
        title, user, client, began, ended, calls = connection.execute(query, (name,)).fetchone()
        if not calls:
            continue
        added = ", ".join(f"coalesce(sum({amount}), 0)" for amount in sums.AMOUNTS.values())
        query = f"SELECT coalesce(session_path, ''), {added} FROM {_CALLS} GROUP BY 1 ORDER BY min(started_at)"
        paths = [Sums((row[0],), *row[1:]) for row in connection.execute(query, (name,))]
        found[name] = Session(name, title, user, client, began, ended, sum_of(paths), paths)
    return [found[name] for name in names if name in found]


def sum_of(several: Sequence[Sums]) -> Sums:
    """Add sums up."""
    return Sums((), *(sum(getattr(each, name) for each in several) for name in sums.AMOUNTS))


_CALLS = """calls WHERE key IN (
    SELECT key FROM calls INDEXED BY calls_by_session WHERE session_id = ?1
    UNION SELECT calls.key FROM calls INDEXED BY calls_by_thread WHERE session_id IS NULL AND thread_key IN (
        SELECT thread_key FROM calls INDEXED BY calls_by_session WHERE session_id = ?1))"""
_ABOUT = (
    "max(session_name), max(user), max(client), min(started_at),"
    " max(started_at + coalesce(latency_ms, 0)), count(*)"
)
