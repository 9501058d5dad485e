"""Sums of calls by what a person asks for: out of the roll-ups where they know it, out of the calls where not.

A time that begins or ends inside an hour or a day costs a look at the calls of that hour or day alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from llmitm.callers import NOT_SUMMED, PROPERTIES
from llmitm.errors import LlmitmError
from llmitm.store import filters, mixes
from llmitm.store.filters import Filter, Values, milliseconds
from llmitm.store.rollups import DAY_MS, DIMENSIONS, HOUR_MS
from llmitm.store.views import SUMS

_MINUTE = "minute"
_PERIODS = {
    _MINUTE: "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:00",
    "day": "%Y-%m-%d",
    "week": "%Y-%m-%d",
    "month": "%Y-%m",
}
_DAYS = frozenset({"day", "week", "month"})
_MONDAY = ", 'weekday 0', '-6 days'"
"""Makes a day the first one of its week."""
_COLUMNS = {
    "provider": "calls.provider",
    "model": "coalesce(calls.model, '')",
    "user": "coalesce(calls.user, '')",
    "client": "coalesce(calls.client, '')",
    "run": "coalesce(calls.run_id, '')",
    "session": "coalesce(calls.session_id, '')",
    "operation": "calls.operation",
    "outcome": "calls.outcome",
    "status": "coalesce(calls.status, '')",
}
_PROPERTY = "property:"
_FACTS = {fact: _PROPERTY + name for fact, name in PROPERTIES.items()}
KNOWN = (*_PERIODS, *_COLUMNS, *_FACTS, "property:NAME")
"""What sums can be made by."""
_MOST_FOUND = 10_000
"""Calls with a text that are added up."""

AMOUNTS = {
    "calls": "1",
    "errors": "outcome = 'error'",
    "unpriced": "cost_nanousd IS NULL",
    "estimated": "usage_source = 'estimated'",
    **{name: f"counted * coalesce({name}, 0)" for name in SUMS if name.endswith("_tokens")},
    "cost_nanousd": "coalesce(cost_nanousd, 0)",
    "latency_ms": "coalesce(latency_ms, 0)",
    "retries": "attempts - 1",
    "blocked": "outcome = 'blocked'",
    "cache_hits": "coalesce(cache = 'hit', 0)",
    "saved_nanousd": "coalesce(saved_nanousd, 0)",
}
"""What a call adds to each sum, as SQL over `calls`."""
_ADDED_UP = {name: name for name in SUMS}
"""The same over a table of sums."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What calls add up to."""

    by: tuple[str, ...]
    """The values of the dimensions that were asked for."""
    calls: int
    errors: int
    unpriced: int
    estimated: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nanousd: int
    latency_ms: int
    retries: int
    blocked: int
    cache_hits: int
    saved_nanousd: int


type _Query = tuple[str, Values]
"""A query that gives `by0`, `by1`, ... and the sums, and the values of its marks."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of sums that knows all that is asked for."""

    unit: int
    """Milliseconds."""
    query: Callable[[int, int | None], _Query]
    """Makes the query for some units: the first, and the one after the last, None for all."""
    complete_from: int = 0
    """Since when it has all calls, ms since the epoch."""


def sums(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[str], *, utc: bool
) -> list[Sums]:
    """Return sums by some dimensions, the dearest first. Raises `LlmitmError` for an unknown dimension."""
    by = dimensions(by)
    zone = "" if utc else ", 'localtime'"
    arms = list(_arms(connection, wanted, by, zone))
    names = [f"by{number}" for number in range(len(by))]
    added = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    groups = f"GROUP BY {', '.join(names)}" if names else "HAVING sum(calls) > 0"
    order = ", ".join(["cost_nanousd DESC", "input_tokens DESC", *names])
    query = (
        f"SELECT {', '.join([*names, added])} FROM ({' UNION ALL '.join(arm for arm, _ in arms)})"
        f" {groups} ORDER BY {order}"
    )
    rows = connection.execute(query, [value for _, values in arms for value in values])
    return [Sums(tuple(map(str, row[: len(by)])), *row[len(by) :]) for row in rows]


def are_kept(connection: sqlite3.Connection, wanted: Filter, by: Sequence[str]) -> bool:
    """Tell whether sums by some dimensions, by days of UTC, are kept: then no more than a day's calls are looked at."""
    by = dimensions(by)
    source = _rollup(connection, wanted, by, "") or _mixes(connection, wanted, by, "")
    since = milliseconds(wanted.since) if wanted.since else 0
    return source is not None and source.complete_from <= since


def dimensions(by: Sequence[str]) -> list[str]:
    """Return dimensions by their full names. Raises `LlmitmError` for an unknown one."""
    for dimension in by:
        if dimension not in KNOWN[:-1] and not dimension.startswith(_PROPERTY):
            raise LlmitmError(f"{dimension!r} is unknown; allowed are {', '.join(KNOWN)}")
    return [_FACTS.get(dimension, dimension) for dimension in by]


def column(dimension: str, zone: str, time: str = "calls.started_at") -> _Query:
    """Return SQL for what a call has of a dimension, and the values of its marks."""
    if dimension in _PERIODS:
        return _period(dimension, f"{time} / 1000, 'unixepoch'{zone}"), []
    if dimension in _COLUMNS:
        return _COLUMNS[dimension], []
    name = dimension.removeprefix(_PROPERTY)
    return "(SELECT value FROM properties WHERE call_key = calls.key AND name = ?)", [name]


def where(
    connection: sqlite3.Connection, wanted: Filter, *, of_few: bool = False
) -> tuple[str, Values]:
    """Return SQL for all conditions of a filter; `of_few` where it is asked of the calls of a short time alone."""
    # Of few calls, each is asked for its properties; of all, a property is asked for its calls.
    properties = {} if not of_few else wanted.properties
    conditions, values = filters.conditions(replace(wanted, properties=properties))
    for name, value in () if of_few else wanted.properties.items():
        conditions.append(
            "calls.key IN (SELECT call_key FROM properties WHERE name = ? AND value = ?)"
        )
        values += (name, value)
    if filters.is_of_errors(wanted.status):
        conditions.append("calls.outcome != 'ok'")  # these have an index
    if wanted.model is not None:
        names = filters.models(connection, wanted.model)
        conditions.append(filters.among("calls.model", names))
        values += names
    if wanted.text is not None:
        keys = filters.find(connection, wanted, _MOST_FOUND)
        conditions.append(f"calls.key IN ({', '.join(map(str, keys))})")
    return " AND ".join(conditions) or "1", values


def groups(by: Sequence[str], zone: str = "") -> tuple[list[str], Values, list[str], Values]:
    """Return SQL for what calls are told apart by, what calls must have for it, and the values of the marks of both."""
    columns: list[str] = []
    own: Values = []
    conditions: list[str] = []
    needed: Values = []
    for dimension in by:
        selected, marked = column(_FACTS.get(dimension, dimension), zone, "started_at")
        columns.append(selected)
        own += marked
        if marked:
            # As in the roll-ups: a call without the property is not among them.
            conditions.append(
                "EXISTS (SELECT 1 FROM properties AS p WHERE p.call_key = calls.key AND p.name = ?)"
            )
            needed += marked
    return columns, own, conditions, needed


def _period(name: str, at: str) -> str:
    """Return SQL for the hour, day, week (its Monday) or month that a moment is in."""
    return f"strftime('{_PERIODS[name]}', {at}{_MONDAY if name == 'week' else ''})"


def _arms(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[str], zone: str
) -> Iterator[_Query]:
    """Yield queries whose rows together are what is wanted."""
    source = _rollup(connection, wanted, by, zone) or _mixes(connection, wanted, by, zone)
    if source is not None:
        unit = source.unit
        since = milliseconds(wanted.since) if wanted.since else 0
        until = milliseconds(wanted.until) if wanted.until else None
        first = -(-max(since, source.complete_from) // unit)
        last = None if until is None else until // unit
        if last is None or first < last:
            yield source.query(first, last)
            if since < first * unit:
                yield _from_calls(connection, wanted, by, zone, (since, first * unit))
            if until is not None and last is not None and last * unit < until:
                yield _from_calls(connection, wanted, by, zone, (last * unit, until))
            return
    yield _from_calls(connection, wanted, by, zone, None)


def _rollup(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[str], zone: str
) -> _Source | None:
    """Return the roll-up by hour, or by day and one dimension, None where neither knows all that is asked for."""
    rest = replace(wanted, since=None, until=None, provider=None, model=None)
    inner = {name for name in by if name not in ("provider", "model")}
    if _MINUTE in inner:
        return None
    if rest == Filter() and inner <= _PERIODS.keys():
        query = partial(_from_rollup, connection, wanted, by, zone, None)
        return _Source(HOUR_MS, query)
    filtered = _dimension(rest)
    if filtered is None and rest != Filter():
        return None
    # The days of this roll-up are those of UTC, and cannot be put together to others.
    dimensions = inner - _DAYS if not zone else inner
    if filtered is not None:
        dimensions = dimensions | {filtered[0]}
    if len(dimensions) != 1:
        return None
    (dimension,) = dimensions
    if dimension not in DIMENSIONS and not _is_summed(dimension):
        return None
    told = dimension, filtered[1] if filtered else None
    return _Source(DAY_MS, partial(_from_rollup, connection, wanted, by, zone, told))


def _mixes(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[str], zone: str
) -> _Source | None:
    """Return the sums of mixes, None where they do not know all that is asked for."""
    rest = replace(
        wanted, since=None, until=None, provider=None, model=None, user=None, properties={}
    )
    inner = {name for name in by if name not in ("provider", "model", "user", "client")}
    dimensions = inner - _DAYS if not zone else inner
    dimensions |= {_PROPERTY + name for name in wanted.properties}
    if rest != Filter() or not all(map(_is_summed, dimensions)) or not mixes.are_there(connection):
        return None
    query = partial(_from_mixes, connection, wanted, by, zone)
    return _Source(DAY_MS, query, mixes.complete_from(connection))


def _is_summed(dimension: str) -> bool:
    is_property = dimension.startswith(_PROPERTY)
    return is_property and dimension.removeprefix(_PROPERTY).lower() not in NOT_SUMMED


def _dimension(rest: Filter) -> tuple[str, str] | None:
    """Return the dimension that is all a filter asks for, with its value; None where it is not one."""
    if rest.user is not None and rest == Filter(user=rest.user):
        return "user", rest.user
    if rest.run is not None and rest == Filter(run=rest.run):
        return "run", rest.run
    if len(rest.properties) == 1 and rest == Filter(properties=rest.properties):
        ((name, value),) = rest.properties.items()
        return _PROPERTY + name, value
    return None


def _from_rollup(
    connection: sqlite3.Connection,
    wanted: Filter,
    by: Sequence[str],
    zone: str,
    told: tuple[str, str | None] | None,
    first: int,
    last: int | None,
) -> _Query:
    """Add up hours, or days of a dimension: all of its values, or the one that is told with it."""
    table, time, unit = ("hours", "hour", HOUR_MS) if told is None else ("days", "day", DAY_MS)
    columns = [
        _period(name, f"{time} * {unit // 1000}, 'unixepoch'{zone}")
        if name in _PERIODS
        else (name if name in ("provider", "model") else "value")
        for name in by
    ]
    dimension, value = told or (None, None)
    conditions, values = _within(connection, wanted, time, first, last)
    for condition, needed in (
        ("dimension = ?", dimension and dimension.lower()),
        ("value = ?", value),
    ):
        if needed is not None:
            conditions.append(condition)
            values.append(needed)
    return _select(columns, _ADDED_UP, table, " AND ".join(conditions)), values


def _from_mixes(
    connection: sqlite3.Connection,
    wanted: Filter,
    by: Sequence[str],
    zone: str,
    first: int,
    last: int | None,
) -> _Query:
    """Add up the days of mixes."""
    table = "mix_days CROSS JOIN mixes ON mixes.id = mix_days.mix_id"
    columns: list[str] = []
    own: Values = []
    for number, name in enumerate(by):
        if name.startswith(_PROPERTY):
            joined = f"property{number}"
            table += (
                f" CROSS JOIN mix_properties AS {joined}"
                f" ON {joined}.mix_id = mix_days.mix_id AND {joined}.name = ?"
            )
            own.append(name.removeprefix(_PROPERTY))
            columns.append(f"{joined}.value")
        elif name in _PERIODS:
            columns.append(_period(name, f"day * {DAY_MS // 1000}, 'unixepoch'{zone}"))
        else:
            columns.append(name)
    conditions, values = _within(connection, wanted, "day", first, last)
    if wanted.user is not None:
        conditions.append("user = ?")
        values.append(wanted.user)
    for name, value in wanted.properties.items():
        conditions.append(
            "mix_days.mix_id IN (SELECT mix_id FROM mix_properties WHERE name = ? AND value = ?)"
        )
        values += (name, value)
    return _select(columns, _ADDED_UP, table, " AND ".join(conditions)), [*own, *values]


def _within(
    connection: sqlite3.Connection, wanted: Filter, time: str, first: int, last: int | None
) -> tuple[list[str], Values]:
    """Return what rows of sums must have that are of some units of time and of the provider and model that are wanted."""
    conditions = [f"{time} >= ?"]
    values: Values = [first]
    for condition, value in ((f"{time} < ?", last), ("provider = ?", wanted.provider)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if wanted.model is not None:
        names = filters.models(connection, wanted.model)
        conditions.append(filters.among("model", names))
        values += names
    return conditions, values


def _from_calls(
    connection: sqlite3.Connection,
    wanted: Filter,
    by: Sequence[str],
    zone: str,
    between: tuple[int, int] | None,
) -> _Query:
    """Add up calls: all that fit, or those that began between two times (ms)."""
    condition, values = where(connection, wanted, of_few=between is not None)
    table = "calls"
    if between is not None:
        table = "calls INDEXED BY calls_by_time"
        condition += " AND started_at >= ? AND started_at < ?"
        values += between
    columns: list[str] = []
    own: Values = []
    for number, dimension in enumerate(by):
        if dimension.startswith(_PROPERTY):
            # One look for what a call must have and for its value; the cross keeps the calls as what is walked over.
            name = f"property{number}"
            table += f" CROSS JOIN properties AS {name} ON {name}.call_key = calls.key AND {name}.name = ?"
            columns.append(f"{name}.value")
            own.append(dimension.removeprefix(_PROPERTY))
        else:
            columns += groups([dimension], zone)[0]
    return _select(columns, AMOUNTS, table, condition), [*own, *values]


def _select(columns: Sequence[str], amounts: Mapping[str, str], table: str, condition: str) -> str:
    """Return a query that adds up at once, so that what is above it has few rows to look at."""
    names = [f"by{number}" for number in range(len(columns))]
    selected = [f"{column} AS {name}" for column, name in zip(columns, names, strict=True)]
    selected += [f"coalesce(sum({amount}), 0) AS {name}" for name, amount in amounts.items()]
    groups = f" GROUP BY {', '.join(names)}" if names else ""
    return f"SELECT {', '.join(selected)} FROM {table} WHERE {condition}{groups}"
