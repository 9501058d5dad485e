"""Conversations, and which of them began others: worked out of what is stored when somebody looks, at no cost to the writer.

The writer links calls whose messages go on from each other. An agent that another one started shares no message with it:
what it was told to do stands in the arguments of a tool call. A conversation whose beginning was cut off has results of
tools that were called before the cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llmitm.store import filters
from llmitm.store.filters import Filter, among

_MOST_LOOKED_AT = 20_000
_MOST_OF_A_SESSION = 400
_CANDIDATES = 100
"""Calls of tools before a conversation that may have begun it."""
_BEFORE_MS = 3_600_000

type Link = Literal["agent", "tool result"]


@dataclass(slots=True)
class Thread:
    """A conversation."""

    key: int
    """Of its first call."""
    id: str
    session: str | None
    started_at: int
    ended_at: int
    model: str | None
    calls: int
    errors: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_nanousd: int | None
    """None where no call has a price."""
    unpriced: int
    title: str | None = None
    """How it began."""
    parent_call: str | None = None
    """The call that began it."""
    link: Link | None = None
    below: list[Thread] = field(default_factory=list)


def latest(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[Thread]:
    """Return conversations that have calls which fit, the latest first, each with those that it began.

    The others of their sessions are looked at too, so that one which began another is there to be found.
    """
    keys = _latest_keys(connection, wanted, limit)
    found = _threads(connection, keys)
    sessions = sorted({each.session for each in found.values() if each.session})
    for start in range(0, len(sessions), 100):
        some = sessions[start : start + 100]
        query = (
            f"SELECT DISTINCT thread_key FROM calls WHERE {among('session_id', some)}"
            " ORDER BY thread_key DESC LIMIT ?"
        )
        others = [key for (key,) in connection.execute(query, [*some, _MOST_OF_A_SESSION])]
        found |= _threads(connection, [key for key in others if key not in found])
    return arranged(connection, found)


def of_session(connection: sqlite3.Connection, session: str) -> list[Thread]:
    """Return the conversations of a session, in the order of time, each with those that it began."""
    query = "SELECT DISTINCT thread_key FROM calls WHERE session_id = ? ORDER BY thread_key DESC LIMIT ?"
    keys = [key for (key,) in connection.execute(query, (session, _MOST_OF_A_SESSION))]
    return arranged(connection, _threads(connection, keys))[::-1]


def arranged(connection: sqlite3.Connection, threads: Mapping[int, Thread]) -> list[Thread]:
    """Put conversations below those that began them; return the ones that nobody began, the latest first."""
    tops = []
    for thread in sorted(threads.values(), key=lambda each: each.key):
        above = _began(connection, thread)
        if above is not None and above in threads and above != thread.key:
            threads[above].below.append(thread)
        else:
            thread.parent_call, thread.link = (
                (None, None) if above is None else (thread.parent_call, thread.link)
            )
            tops.append(thread)
    return sorted(tops, key=lambda each: -_ended(each))


def _ended(thread: Thread) -> int:
    return max([thread.ended_at, *map(_ended, thread.below)])


def _latest_keys(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[int]:
    """Return the first calls of the conversations that were last gone on with."""
    looked_at = limit * 10
    while True:
        keys = filters.find(connection, wanted, looked_at)
        threads: dict[int, None] = {}
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            query = f"SELECT key, thread_key FROM calls WHERE {among('key', some)}"
            above = dict(connection.execute(query, some).fetchall())
            threads |= dict.fromkeys(above[key] for key in some)
            if len(threads) >= limit:
                return [*threads][:limit]
        if len(keys) < looked_at or looked_at >= _MOST_LOOKED_AT:
            return [*threads]
        looked_at *= 4


def _threads(connection: sqlite3.Connection, keys: Sequence[int]) -> dict[int, Thread]:
    found: dict[int, Thread] = {}
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        query = f"{_THREADS} WHERE {among('calls.thread_key', some)} GROUP BY calls.thread_key"
        for row in connection.execute(query, some):
            found[row[0]] = Thread(*row)
        query = f"{_TITLES} WHERE {among('bodies.call_key', some)}"
        for key, title in connection.execute(query, some):
            if key in found:
                found[key].title = title
    return found


_THREADS = """SELECT calls.thread_key, (SELECT id FROM calls AS first WHERE first.key = calls.thread_key),
    max(session_id), min(started_at), max(started_at + coalesce(latency_ms, 0)), max(model), count(*),
    sum(outcome = 'error'), sum(counted * coalesce(input_tokens, 0)),
    sum(counted * coalesce(cached_input_tokens, 0)), sum(counted * coalesce(output_tokens, 0)),
    sum(cost_nanousd), sum(cost_nanousd IS NULL) FROM calls"""
_TITLES = """SELECT bodies.call_key, substr(part_text.text, 1, 300) FROM bodies
    JOIN part_text ON part_text.id = bodies.prompt_part_id"""


def _began(connection: sqlite3.Connection, thread: Thread) -> int | None:
    """Return the conversation that began one, and note which call of it did; None where nobody did."""
    candidates = _callers(connection, thread)
    if not candidates:
        return None
    from llmitm.wire import (
        jsontext,
        turns,
    )  # the parser takes long to load, and most have no candidates

    request = _body(connection, "request", thread.id)
    document = jsontext.parse_or_none(request) if request else None
    if document is None:
        return None
    tasks, results = set(turns.told(document)), set(turns.answered(document))
    if not tasks and not results:
        return None
    for identity, above in candidates:
        response = _body(connection, "response", identity)
        if not response:
            continue
        for call_id, arguments in turns.tool_calls(jsontext.parse_or_none(response)):
            link: Link | None = None
            if call_id is not None and call_id in results:
                link = "tool result"
            elif turns.is_task(arguments, tasks):
                link = "agent"
            if link is not None:
                thread.parent_call, thread.link = identity, link
                return above
    return None


def _callers(connection: sqlite3.Connection, thread: Thread) -> list[tuple[str, int]]:
    """Return calls before a conversation that asked for a tool, the latest first: of its session, else of its client."""
    if thread.session is not None:
        query = """SELECT id, thread_key FROM calls INDEXED BY calls_by_session WHERE session_id = ?1
            AND started_at <= ?2 AND thread_key != ?3 AND tool_calls IS NOT NULL ORDER BY started_at DESC LIMIT ?4"""
        values: tuple[int | str, ...] = (thread.session, thread.started_at, thread.key, _CANDIDATES)
    else:
        query = """SELECT calls.id, calls.thread_key FROM calls INDEXED BY calls_by_time
            JOIN calls AS first ON first.key = ?3
            WHERE calls.started_at BETWEEN ?1 AND ?2 AND calls.thread_key != ?3 AND calls.tool_calls IS NOT NULL
                AND calls.client IS first.client AND calls.api_key IS first.api_key
                AND calls.run_id IS first.run_id
            ORDER BY calls.started_at DESC LIMIT ?4"""
        values = (thread.started_at - _BEFORE_MS, thread.started_at, thread.key, _CANDIDATES)
    return connection.execute(query, values).fetchall()


def _body(
    connection: sqlite3.Connection, which: Literal["request", "response"], name: str
) -> str | None:
    row = connection.execute(f"SELECT {which}_body FROM exchanges WHERE id = ?", (name,)).fetchone()
    return row[0] if row else None
