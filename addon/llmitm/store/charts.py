"""What charts ask the log, each with an end to how much is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from llmitm.store import filters
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader, Record
from llmitm.store.rollups import HOUR_MS

MOST_TIMED = 2_000
"""Calls of which quantiles are taken, the latest."""
MOST_COUNTED = 2_000
"""Calls among which values are counted, where no roll-up knows them."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long calls took, in milliseconds; None where no call tells."""

    calls: int
    latency_p50: int | None
    latency_p95: int | None
    first_p50: int | None
    first_p95: int | None


def times(log: Reader, wanted: Filter) -> Times:
    """Return how long the latest calls that fit took."""
    connection = log.connection
    keys = filters.find(connection, wanted, MOST_TIMED)
    latencies, firsts = [], []
    for latency, first in connection.execute(
        f"SELECT latency_ms, first_content_ms FROM calls WHERE key IN ({_numbers(keys)})"
        " AND outcome = 'ok' AND cache IS NOT 'hit'"
    ):
        latencies += [latency] if latency is not None else []
        firsts += [first] if first is not None else []
    return Times(
        len(latencies), *quantiles(latencies, (0.5, 0.95)), *quantiles(firsts, (0.5, 0.95))
    )


def quantiles(values: Sequence[int], shares: Sequence[float]) -> list[int | None]:
    """Return values that these shares of all did not exceed."""
    ordered = sorted(values)
    return [ordered[round(share * (len(ordered) - 1))] if ordered else None for share in shares]


def first_hour(log: Reader) -> datetime | None:
    """Return when the log begins."""
    (hour,) = log.connection.execute("SELECT min(hour) FROM hours").fetchone()
    return None if hour is None else datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC).astimezone()


def property_names(log: Reader) -> list[str]:
    """Return the properties that calls have, out of the roll-up, each name once."""
    query = """WITH RECURSIVE names(name) AS (
        SELECT min(dimension) FROM days WHERE dimension > 'property:'
        UNION ALL
        SELECT (SELECT min(dimension) FROM days WHERE dimension > name) FROM names WHERE name IS NOT NULL
    ) SELECT name FROM names WHERE name GLOB 'property:*'"""
    return [name.removeprefix("property:") for (name,) in log.connection.execute(query)]


_LISTED = """SELECT key, id, started_at, provider, host, operation, model_requested, model, provider_requested, streaming,
    status, outcome, error_type, error_message, tool_calls, input_tokens, output_tokens, cached_input_tokens,
    cache_write_tokens, reasoning_tokens, usage_source, cost_nanousd, latency_ms, first_content_ms, user, session_id,
    run_id, client_retry, attempts, retried_ms, fallback_index, cache, saved_nanousd, thread_key, parent_key,
    (SELECT substr(text, 1, 200) FROM part_text WHERE id = (
        SELECT prompt_part_id FROM bodies WHERE call_key = calls.key)) AS prompt
FROM calls WHERE key IN ({}) ORDER BY started_at DESC, key DESC"""


def listed(log: Reader, keys: Sequence[int]) -> list[Record]:
    """Return calls as a table shows them, the latest first."""
    cursor = log.connection.execute(_LISTED.format(_numbers(keys)))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def page(log: Reader, wanted: Filter, limit: int, before: Record | None = None) -> list[Record]:
    """Return the latest calls that fit, one more than `limit` where there are more, after (older than) another call."""
    if before is None:
        return listed(log, filters.find(log.connection, wanted, limit + 1))
    # Calls that began in the same millisecond are in the order of their keys; how many of them there are is not known.
    last = (before["started_at"], before["key"])
    until = datetime.fromtimestamp(last[0] / 1000, UTC) + timedelta(milliseconds=1)
    if wanted.until is None or until < wanted.until:
        wanted = replace(wanted, until=until)
    extra = 20
    while True:
        keys = filters.find(log.connection, wanted, limit + 1 + extra)
        calls = [call for call in listed(log, keys) if (call["started_at"], call["key"]) < last]
        if len(calls) > limit or len(keys) < limit + 1 + extra:
            return calls[: limit + 1]
        extra *= 10


def newer(log: Reader, wanted: Filter, limit: int, call: Record) -> str | None:
    """Return the id of the call after which the page before begins; empty for the first page, None where this is it."""
    since = datetime.fromtimestamp(call["started_at"] / 1000, UTC)
    later = replace(wanted, since=since)
    where, values = filters.conditions(replace(later, model=None, text=None))
    of_model, names = filters.of_model(log.connection, wanted.model)
    where += of_model
    values += names
    if wanted.text is not None:
        return ""
    rows = log.connection.execute(
        f"SELECT id FROM calls INDEXED BY calls_by_time WHERE {' AND '.join(where)}"
        " AND (started_at, key) >= (?, ?) ORDER BY started_at, key LIMIT ?",
        (*values, call["started_at"], call["key"], limit + 1),
    ).fetchall()
    if not rows:
        return None
    return rows[limit][0] if len(rows) > limit else ""


_FACETS = {
    "model": "coalesce(model, '')",
    "provider": "provider",
    "status": "coalesce(status, '')",
    "user": "coalesce(user, '')",
    "client": "coalesce(client, '')",
    "run": "coalesce(run_id, '')",
    "session": "coalesce(session_id, '')",
}


@dataclass(frozen=True, slots=True)
class Facet:
    """How many calls have each value of a dimension."""

    dimension: str
    values: Sequence[tuple[str, int]]


def facets(log: Reader, wanted: Filter, most: int) -> tuple[list[Facet], int]:
    """Return what the latest calls that fit have in common, and how many were looked at."""
    connection = log.connection
    keys = filters.find(connection, wanted, MOST_COUNTED)
    among = _numbers(keys)
    found = []
    for name, column in _FACETS.items():
        rows = connection.execute(
            f"SELECT {column} AS value, count(*) FROM calls WHERE key IN ({among})"
            " GROUP BY value HAVING value != '' ORDER BY count(*) DESC, value LIMIT ?",
            (most,),
        ).fetchall()
        found.append(Facet(name, [(str(value), count) for value, count in rows]))
    rows = connection.execute(
        f"SELECT lower(name), value, count(*) FROM properties WHERE call_key IN ({among})"
        " GROUP BY lower(name), value ORDER BY count(*) DESC"
    ).fetchall()
    by_name: dict[str, list[tuple[str, int]]] = {}
    for name, value, count in rows:
        by_name.setdefault(name, []).append((value, count))
    found += [Facet(f"property:{name}", values[:most]) for name, values in by_name.items()]
    return [facet for facet in found if facet.values], len(keys)


def bounds(wanted: Filter, begins: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when a chart of some calls goes."""
    until = min(wanted.until, now) if wanted.until else now
    since = wanted.since or begins or until - timedelta(days=1)
    return min(since, until), until


def before(wanted: Filter, now: datetime) -> Filter | None:
    """Return the same question for the time before, as long; None where it has no beginning."""
    if wanted.since is None:
        return None
    length = (wanted.until or now) - wanted.since
    return replace(wanted, since=wanted.since - length, until=wanted.since)


def _numbers(keys: Sequence[int]) -> str:
    return ", ".join(map(str, keys))
