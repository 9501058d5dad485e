"""What alerts watch, measured in the log: amounts out of the roll-ups, the rest over the newest calls of the window."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from llmitm.money import dollars
from llmitm.policy.alert_conditions import Condition
from llmitm.policy.alerting import Measured
from llmitm.store import sums
from llmitm.store.filters import Filter, Values
from llmitm.store.sums import Sums

MOST_CALLS = 10_000
"""Percentiles and the rates that no roll-up has are those of at most so many calls, the newest of the window."""
_PROPERTY = "property:"

# Calls that were answered by a provider: how long the others took says nothing about it.
_ANSWERED = "calls.outcome = 'ok' AND calls.cache IS NOT 'hit'"
_SENT = "calls.outcome != 'blocked' AND calls.cache IS NOT 'hit'"
# One that was tried again was throttled too.
_THROTTLED = """calls.status = 429 OR calls.attempts > 1 AND EXISTS (
    SELECT 1 FROM earlier_attempts AS earlier WHERE earlier.call_key = calls.key AND earlier.status = 429)"""


def measure(
    connection: sqlite3.Connection, condition: Condition, since: datetime
) -> list[Measured]:
    """Return what calls since then are, group by group. Raises `sqlite3.Error`."""
    wanted = chosen(condition.where, since)
    if condition.percentile is not None:
        return list(_percentile(connection, condition, wanted, condition.percentile))
    if condition.metric == "429_rate":
        return list(_rate(connection, condition, wanted, _THROTTLED, _SENT))
    if condition.metric == "cache_hit_rate":
        asked = "calls.cache IS NOT NULL"
        return list(_rate(connection, condition, wanted, "calls.cache = 'hit'", asked))
    rows = sums.sums(connection, wanted, condition.by, utc=True)
    found = [Measured(row.by, _amount(condition, row), row.calls) for row in rows]
    if not found and not condition.by:
        return [Measured((), Decimal(0) if condition.is_amount else None, 0)]
    return found


def chosen(where: Mapping[str, str], since: datetime | None = None) -> Filter:
    """Return the filter that a condition's `where` means."""
    properties = {
        key.removeprefix(_PROPERTY): value
        for key, value in where.items()
        if key.startswith(_PROPERTY)
    }
    return Filter(
        since=since,
        user=where.get("user"),
        model=where.get("model"),
        provider=where.get("provider"),
        client=where.get("client"),
        run=where.get("run"),
        session=where.get("session"),
        properties=properties,
    )


def _amount(condition: Condition, row: Sums) -> Decimal | None:
    match condition.metric:
        case "spend":
            return dollars(row.cost_nanousd)
        case "tokens":
            return Decimal(row.input_tokens + row.output_tokens)
        case "input_tokens":
            return Decimal(row.input_tokens)
        case "output_tokens":
            return Decimal(row.output_tokens)
        case "unpriced":
            return Decimal(row.unpriced)
        case "error_rate":
            sent = row.calls - row.blocked
            return Decimal(row.errors) / sent if sent else None
        case _:
            return Decimal(row.calls)


def _rate(
    connection: sqlite3.Connection, condition: Condition, wanted: Filter, part: str, whole: str
) -> Iterator[Measured]:
    """Measure which share of the calls that are `whole` is `part` as well."""
    newest, values, names = _newest(connection, condition, wanted, part, whole)
    query = f"SELECT {', '.join([*names, 'sum(x)', 'count(*)'])} FROM ({newest}){_by(names)}"
    for *group, count, calls in connection.execute(query, values).fetchall():
        value = Decimal(count) / calls if calls else None
        yield Measured(tuple(map(str, group)), value, calls)


def _percentile(
    connection: sqlite3.Connection, condition: Condition, wanted: Filter, percentile: Decimal
) -> Iterator[Measured]:
    """Measure the time that this percentage of calls did not exceed."""
    column = "latency_ms" if condition.metric == "latency" else "first_content_ms"
    whole = f"{_ANSWERED} AND calls.{column} IS NOT NULL"
    newest, values, names = _newest(connection, condition, wanted, f"calls.{column}", whole)
    parted = f"PARTITION BY {', '.join(names)}" if names else ""
    ranked = (
        f"SELECT *, row_number() OVER ({parted} ORDER BY x) AS place, count(*) OVER ({parted}) AS calls"
        f" FROM ({newest})"
    )
    # The first whose place is no less than that share of them: a value that was really there.
    query = (
        f"SELECT {', '.join([*names, 'min(x)', 'calls'])} FROM ({ranked})"
        f" WHERE place * 100000 >= calls * ?{_by(names)}"
    )
    share = int(percentile * 1_000)
    for *group, value, calls in connection.execute(query, [*values, share]).fetchall():
        if value is not None:
            yield Measured(tuple(map(str, group)), Decimal(value), calls)
        elif not names:
            yield Measured((), None, 0)


def _newest(
    connection: sqlite3.Connection, condition: Condition, wanted: Filter, value: str, whole: str
) -> tuple[str, Values, list[str]]:
    """Return SQL for a value `x` of the newest calls beside their groups, the marks' values, the groups' names."""
    given, values = sums.where(connection, wanted)
    columns, own, conditions, needed = sums.groups(condition.by)
    names = [f"by{number}" for number in range(len(columns))]
    selected = [f"{column} AS {name}" for column, name in zip(columns, names, strict=True)]
    index = "calls_by_time"
    if wanted.user is not None:
        index = "calls_by_user"
    elif wanted.provider is not None:
        index = "calls_by_provider"
    query = (
        f"SELECT {', '.join([*selected, f'({value}) AS x'])} FROM calls INDEXED BY {index}"
        f" WHERE {' AND '.join([given, whole, *conditions])}"
        f" ORDER BY calls.started_at DESC LIMIT {MOST_CALLS}"
    )
    return query, [*own, *values, *needed], names


def _by(names: list[str]) -> str:
    return f" GROUP BY {', '.join(names)}" if names else ""
