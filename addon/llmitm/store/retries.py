"""Retries of every layer out of the log: by the client's SDK, by the program above it, by the proxy.

A question that failed and was asked again is counted once, however many calls it became.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from llmitm.store import sums
from llmitm.store.filters import Filter, Values, milliseconds
from llmitm.store.views import RETRIED


def by(
    connection: sqlite3.Connection, wanted: Filter, dimensions: Sequence[str], *, utc: bool
) -> sqlite3.Cursor:
    """Return sums by some dimensions, those first that lost most time."""
    zone = "" if utc else ", 'localtime'"
    columns: list[str] = []
    values: Values = []
    for number, dimension in enumerate(sums.dimensions(dimensions)):
        sql, marks = sums.column(dimension, zone)
        columns.append(f"{sql} AS by{number},")
        values += marks
    condition, marks = sums.where(connection, wanted)
    since = milliseconds(wanted.since) if wanted.since else 0
    groups = ", ".join(f"by{number}" for number in range(len(columns)))
    return connection.execute(
        f"SELECT {' '.join(columns)} {_ADDED} FROM ({_TRIED}) AS calls"
        f" LEFT JOIN calls AS before ON before.key = calls.retry_of_key WHERE {condition}"
        f" {f'GROUP BY {groups}' if groups else 'HAVING count(*)'} ORDER BY lost_ms DESC",
        [*values, since, *marks],
    )


# The condition stands alone, as the index has it, which also has what is mostly asked of them.
_TRIED = f"SELECT * FROM calls INDEXED BY calls_retried WHERE {RETRIED} AND started_at >= ?"
_BY_SDK = "coalesce(calls.client_retry, 0) > 0"
_BY_PROGRAM = f"(NOT {_BY_SDK} AND calls.retry_of_key IS NOT NULL)"
_BY_CLIENT = f"({_BY_SDK} OR calls.retry_of_key IS NOT NULL)"
_IS_FIRST_RETRY = f"""{_BY_CLIENT} AND CASE WHEN before.key IS NULL THEN coalesce(calls.client_retry, 0) = 1
    ELSE coalesce(before.client_retry, 0) = 0 AND before.retry_of_key IS NULL END"""
_COMES_ALONE = f"(({_IS_FIRST_RETRY}) AND coalesce(before.attempts, 1) = 1)"
"""True of a first retry of a call that is not itself among those looked at."""
_WAITED = "(SELECT sum(waited_ms) FROM earlier_attempts WHERE call_key = calls.key)"
_ADDED = f"""
    sum(CASE WHEN {_BY_CLIENT} THEN {_COMES_ALONE} ELSE 1 END) AS questions,
    sum(calls.attempts) + sum({_COMES_ALONE}) AS calls,
    sum({_BY_SDK}) AS by_sdk,
    sum({_BY_PROGRAM}) AS by_program,
    sum(calls.attempts - 1) AS by_proxy,
    sum(calls.attempts > 1 AND {_BY_CLIENT}) AS layered,
    sum(calls.outcome = 'error') AS still_failed,
    sum(coalesce({_WAITED}, 0))
        + sum(coalesce(max(0, calls.started_at - before.started_at - coalesce(before.latency_ms, 0)), 0)) AS waited_ms,
    sum(coalesce(calls.retried_ms, 0))
        + sum(coalesce(max(0, calls.started_at - before.started_at - coalesce(before.retried_ms, 0)), 0)) AS lost_ms,
    sum(CASE WHEN {_BY_CLIENT} THEN coalesce(calls.cost_nanousd, 0) ELSE 0 END) AS cost_nanousd,
    sum(coalesce(before.cost_nanousd, 0)) AS wasted_nanousd"""
