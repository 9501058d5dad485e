"""Rate limits out of the log: what each is now, how fast it is used, and who ran into it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from llmitm.errors import StoreError
from llmitm.policy.exhaustion import lasts
from llmitm.store import filters, sums
from llmitm.store.filters import Filter, Values

RATE_MS = 300_000
"""How far back calls are looked at for the present rate of use."""
_LOWEST_HOURS = 24
"""For how long the least that remained is looked up, where no time is asked for."""
_HOUR_MS = 3_600_000
_THROTTLED = 429

type Key = tuple[str, str, str]
"""Provider, fingerprint of the API key, model."""


def latest(connection: sqlite3.Connection, wanted: Filter, now: float) -> list[dict[str, Any]]:
    """Return the latest word of each limit, brought up to a time (seconds since the epoch).

    What was reset since is whole again. Of a filter the provider, the model and since when the least is looked for.
    """
    at = int(now * 1000)
    hour = at // _HOUR_MS - _LOWEST_HOURS
    if wanted.since is not None:
        hour = filters.milliseconds(wanted.since) // _HOUR_MS
    conditions, values = filters.of_model(connection, wanted.model, "model")
    if wanted.provider is not None:
        conditions.append("provider = ?")
        values.append(wanted.provider)
    where = " AND ".join(conditions) or "1"
    cursor = connection.execute(_LATEST.format(where=where), [*values, hour, *values])
    columns = [column[0] for column in cursor.description]
    used = _use(connection, at)
    found = []
    for row in cursor:
        record = dict(zip(columns, row, strict=True))
        resets_at, limit = record["resets_at"], record["limit"]
        was_reset = resets_at is not None and resets_at <= at
        left = limit if was_reset else record["remaining"]
        resets_in = None if resets_at is None or was_reset else (resets_at - at) / 1000
        pace = used.get((record["provider"], record["api_key"], record["model"]), _NO_USE)
        name, period = record["name"], record["period"] or None
        answer = lasts(name, period, limit, left, resets_in, pace)
        record |= {
            "remaining_now": left,
            "resets_in_ms": None if resets_in is None else round(resets_in * 1000),
            "used_per_minute": round(pace[name] * 60, 2) if name in pace else None,
            "lasts_ms": None if answer.seconds is None else round(answer.seconds * 1000),
            "lasts_reason": answer.reason or None,
        }
        found.append(record)
    return found


def require_waits(connection: sqlite3.Connection) -> None:
    """Raise `StoreError` where a log is of an older version."""
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'calls_queued'"
    if not connection.execute(query).fetchone()[0]:
        raise StoreError(
            "the log is of an older version: it is brought up to date when the proxy starts"
        )


def throttling(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[str], *, utc: bool
) -> sqlite3.Cursor:
    """Return refusals and waits by some dimensions, the latest first where it is by time, else the most."""
    zone = "" if utc else ", 'localtime'"
    names = sums.dimensions(by)
    condition, values = sums.where(connection, wanted)
    since = filters.milliseconds(wanted.since) if wanted.since else 0
    groups = ", ".join(f"by{number}" for number in range(len(names)))
    group_by = f"GROUP BY {groups}" if groups else ""
    arms: list[str] = []
    marks: Values = []
    for each in _HAPPENED:
        columns = []
        for number, dimension in enumerate(names):
            sql, own = sums.column(dimension, zone, each.time)
            # A refused attempt may have been another provider's than the one that answered.
            columns.append(f"{each.columns.get(dimension, sql)} AS by{number}, ")
            marks += own
        arms.append(
            f"SELECT {''.join(columns)}{each.amounts}, max({each.time}) AS last_at FROM {each.source}"
            f" AND {each.time_condition} >= ? AND {condition} {group_by or 'HAVING count(*)'}"
        )
        marks += [since, *values]
    is_by_time = names[:1] and names[0] in ("hour", "day", "month")
    order = "by0 DESC, refused DESC" if is_by_time else "refused DESC, queued_ms DESC"
    return connection.execute(
        f"SELECT {groups}{', ' if groups else ''}{_ADDED} FROM ({' UNION ALL '.join(arms)})"
        f" {group_by or 'HAVING count(*)'} ORDER BY {order}",
        marks,
    )


def _use(connection: sqlite3.Connection, at: int) -> Mapping[Key, Mapping[str, float]]:
    """Return what calls used in a second of late, by what is limited."""
    seconds = RATE_MS / 1000
    return {
        (provider, key, model): {
            "requests": requests / seconds,
            "tokens": (given + made) / seconds,
            # Anthropic does not count what is read from the cache.
            # https://docs.claude.com/en/api/rate-limits (read 2026-11-26)
            "input_tokens": (given - (cached if provider == "anthropic" else 0)) / seconds,
            "output_tokens": made / seconds,
        }
        for provider, key, model, requests, given, cached, made in connection.execute(
            _USED, (at - RATE_MS, at)
        )
    }


_NO_USE = dict.fromkeys(("requests", "tokens", "input_tokens", "output_tokens"), 0.0)
_LATEST = """WITH latest AS (
    SELECT provider, api_key, model, name, period, "limit", remaining, resets_at, max(seen_at) AS seen_at, status
    FROM rate_limits WHERE {where} GROUP BY provider, api_key, model, name, period
), least AS (
    SELECT provider, api_key, model, name, period, min(lowest) AS lowest
    FROM rate_limits WHERE hour >= ? AND {where} GROUP BY provider, api_key, model, name, period
)
SELECT latest.*, least.lowest FROM latest LEFT JOIN least USING (provider, api_key, model, name, period)
ORDER BY provider, api_key, model, name, period"""
_USED = """SELECT provider, coalesce(api_key, ''), coalesce(model, ''), sum(attempts),
    sum(coalesce(input_tokens, 0)), sum(coalesce(cached_input_tokens, 0)), sum(coalesce(output_tokens, 0))
FROM calls INDEXED BY calls_by_time
WHERE started_at >= ? AND started_at <= ? AND cache IS NOT 'hit' AND outcome != 'blocked'
GROUP BY 1, 2, 3"""
_ADDED = """sum(refused) AS refused, sum(retried) AS retried, max(asked_ms) AS longest_asked_ms,
    sum(waited_ms) AS waited_ms, sum(queued) AS queued, sum(queued_ms) AS queued_ms, max(last_at) AS last_at"""


class _Happened(NamedTuple):
    """Something that counts, and where it is in the log."""

    amounts: str
    source: str
    """With a condition."""
    time: str
    time_condition: str = "calls.started_at"
    columns: Mapping[str, str] = MappingProxyType({})
    """Dimensions that are not the call's own."""


_HAPPENED = (
    _Happened(  # refusals that clients got
        "count(*) AS refused, 0 AS retried, max(calls.retry_after_ms) AS asked_ms, 0 AS waited_ms,"
        " 0 AS queued, 0 AS queued_ms",
        "calls INDEXED BY calls_failed WHERE calls.outcome != 'ok' AND calls.outcome != 'blocked'"
        f" AND calls.status = {_THROTTLED}",
        "(calls.started_at + coalesce(calls.retried_ms, 0))",
    ),
    _Happened(  # refusals that were tried again here
        "count(*), count(*), NULL, sum(coalesce(earlier.waited_ms, 0)), 0, 0",
        "earlier_attempts AS earlier CROSS JOIN calls ON calls.key = earlier.call_key"
        f" WHERE earlier.status = {_THROTTLED}",
        "earlier.started_at",
        "earlier.started_at",
        MappingProxyType({"provider": "earlier.provider", "model": "coalesce(earlier.model, '')"}),
    ),
    _Happened(  # calls that waited for their turn
        "0, 0, NULL, 0, count(*), sum(calls.queued_ms)",
        "calls INDEXED BY calls_queued WHERE calls.queued_ms IS NOT NULL",
        "calls.started_at",
    ),
)
