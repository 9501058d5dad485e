"""Which calls the log has already: imported before, or logged by the proxy when they were made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from llmitm.calls import Finished

_AROUND_MS = 3_600_000
"""How far apart the times may be that two programs give to the same call."""

type _Tokens = tuple[str, int | None, int | None]


def unknown(connection: sqlite3.Connection, calls: Sequence[Finished]) -> list[Finished]:
    """Return the calls that the log does not have, each once."""
    if not calls:
        return []
    marks = ", ".join("?" * len(calls))
    ids = [call.exchange.id for call in calls]
    known = {
        row[0] for row in connection.execute(f"SELECT id FROM calls WHERE id IN ({marks})", ids)
    }
    rows = [
        row
        for window in _windows(int(call.exchange.started_at * 1000) for call in calls)
        for row in connection.execute(_AROUND, window)
    ]
    responses = {row[0] for row in rows if row[0]}
    # Older files of Codex's have no ids of responses; a session's calls hardly have the same counts twice.
    counted: set[_Tokens] = {(row[1], row[2], row[3]) for row in rows if row[1] and not row[4]}
    return list(_each_once(calls, known, responses, counted))


def _windows(times: Iterable[int]) -> list[tuple[int, int]]:
    """Return the times around some, put together where they overlap: old files are of many days."""
    windows: list[tuple[int, int]] = []
    for time in sorted(times):
        start, end = time - _AROUND_MS, time + _AROUND_MS
        if windows and start <= windows[-1][1]:
            start = windows.pop()[0]
        windows.append((start, end))
    return windows


_AROUND = """SELECT response_id, session_id, input_tokens, output_tokens,
    EXISTS (SELECT 1 FROM properties WHERE call_key = calls.key AND name = 'imported')
FROM calls INDEXED BY calls_by_time WHERE started_at BETWEEN ? AND ?"""


def _each_once(
    calls: Iterable[Finished], known: set[str], responses: set[str], counted: set[_Tokens]
) -> Iterable[Finished]:
    for call in calls:
        response, usage = call.answer.response_id, call.answer.usage
        session = call.identity.session_id
        if call.exchange.id in known or (response and response in responses):
            continue
        tokens = (session or "", usage.input_tokens, usage.output_tokens)
        if not response and session and tokens in counted:
            continue
        known.add(call.exchange.id)
        if response:
            responses.add(response)
        yield call
