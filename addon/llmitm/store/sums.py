"""Sums of calls by what a person asks for: out of the roll-ups where they know it, out of the calls where not.

A time that begins or ends inside an hour or a day costs a look at the calls of that hour or day alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llmitm.callers import PROPERTIES
from llmitm.errors import LlmitmError
from llmitm.store import filters
from llmitm.store.filters import Filter, Values, milliseconds
from llmitm.store.kept_sums import PERIODS, PROPERTY, Asked, Query, added_up, kept, period
from llmitm.store.views import SUMS

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
_FACTS = {fact: PROPERTY + name for fact, name in PROPERTIES.items()}
KNOWN = (*PERIODS, *_COLUMNS, *_FACTS, "property:NAME")
"""What sums can be made by."""
_MOST_FOUND = 10_000
"""Calls with a text that are added up."""
_IS_UTC = time.timezone == 0 and not time.daylight
"""Whether this machine's days are those of the sums that are kept."""

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


def sums(
    connection: sqlite3.Connection,
    wanted: Filter,
    by: Sequence[str],
    *,
    utc: bool,
    first_is_enough: bool = False,
) -> list[Sums]:
    """Return sums by some dimensions, the dearest first. Raises `LlmitmError` for an unknown dimension.

    A call without a property that is asked for is not among them; with `first_is_enough` one that has the first dimension
    has an empty value for what it lacks of the others.
    """
    by = dimensions(by)
    zone = "" if utc or _IS_UTC else ", 'localtime'"
    asked = Asked(connection, wanted, by, zone, first_is_enough)
    arms = list(_arms(asked))
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
    source = kept(Asked(connection, wanted, by, ""))
    since = milliseconds(wanted.since) if wanted.since else 0
    return source is not None and source.complete_from <= since


def dimensions(by: Sequence[str]) -> list[str]:
    """Return dimensions by their full names. Raises `LlmitmError` for an unknown one."""
    for dimension in by:
        if dimension not in KNOWN[:-1] and not dimension.startswith(PROPERTY):
            raise LlmitmError(f"{dimension!r} is unknown; allowed are {', '.join(KNOWN)}")
    return [_FACTS.get(dimension, dimension) for dimension in by]


def column(dimension: str, zone: str, time: str = "calls.started_at") -> Query:
    """Return SQL for what a call has of a dimension, and the values of its marks."""
    if dimension in PERIODS:
        return period(dimension, f"{time} / 1000, 'unixepoch'{zone}"), []
    if dimension in _COLUMNS:
        return _COLUMNS[dimension], []
    name = dimension.removeprefix(PROPERTY)
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
    of_model, names = filters.of_model(connection, wanted.model)
    conditions += of_model
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


def _arms(asked: Asked) -> Iterator[Query]:
    """Yield queries whose rows together are what is wanted."""
    wanted, source = asked.wanted, kept(asked)
    if source is not None:
        unit = source.unit
        since = milliseconds(wanted.since) if wanted.since else 0
        until = milliseconds(wanted.until) if wanted.until else None
        first = -(-max(since, source.complete_from) // unit)
        last = None if until is None else until // unit
        if last is None or first < last:
            yield source.query(first, last)
            if since < first * unit:
                yield _from_calls(asked, (since, first * unit))
            if until is not None and last is not None and last * unit < until:
                yield _from_calls(asked, (last * unit, until))
            return
    yield _from_calls(asked, None)


def _from_calls(asked: Asked, between: tuple[int, int] | None) -> Query:
    """Add up calls: all that fit, or those that began between two times (ms)."""
    condition, values = where(asked.connection, asked.wanted, of_few=between is not None)
    table = "calls"
    if between is not None:
        table = "calls INDEXED BY calls_by_time"
        condition += " AND started_at >= ? AND started_at < ?"
        values += between
    # One look for what a call must have and for its value; the joins keep the calls as what is walked over.
    columns, joins, own = asked.columns(
        "properties.call_key", "calls.key", lambda name: column(name, asked.zone, "started_at")[0]
    )
    return added_up(columns, AMOUNTS, table + joins, condition), [*own, *values]
