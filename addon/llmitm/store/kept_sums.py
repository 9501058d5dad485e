"""Sums that are kept beside the calls, by the hour, by day and dimension, by day and mix: which know what is asked for.

Days of the last two are those of UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from llmitm.callers import NOT_SUMMED
from llmitm.store import filters, mixes
from llmitm.store.filters import Filter, Values
from llmitm.store.rollups import DAY_MS, DIMENSIONS, HOUR_MS
from llmitm.store.views import SUMS

PROPERTY = "property:"
"""What the name of a property begins with, where it is a dimension."""
_MINUTE = "minute"
PERIODS = {
    _MINUTE: "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:00",
    "day": "%Y-%m-%d",
    "week": "%Y-%m-%d",
    "month": "%Y-%m",
}
"""Dimensions of time, and how their values are written."""
_DAYS = frozenset({"day", "week", "month"})
_MONDAY = ", 'weekday 0', '-6 days'"
"""Makes a day the first one of its week."""
_AMOUNTS = {name: name for name in SUMS}
_OF_MIXES = (
    *("provider", "model", "user", "client", "operation", "status", "errors", "properties"),
)
"""What of a filter mixes know, beside times."""

type Query = tuple[str, Values]
"""A query that gives `by0`, `by1`, ... and the sums, and the values of its marks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    connection: sqlite3.Connection
    wanted: Filter
    by: Sequence[str]
    """Dimensions, by their full names."""
    zone: str
    """What makes a time in SQL a local one; empty for UTC."""
    first_is_enough: bool = False
    """Whether calls may lack properties, but for the first dimension."""

    def columns(
        self, has: str, calls: str, otherwise: Callable[[str], str]
    ) -> tuple[list[str], str, Values]:
        """Return the columns of all dimensions, the joins that give the properties among them, and the values of their marks.

        `has` is the column, with its table, that refers to the column `calls` of those that are added up; `otherwise` makes
        the column of what is no property. Tables stay in the order in which they are told.
        """
        table, _, key = has.partition(".")
        columns, joins, names = [], "", []
        for number, dimension in enumerate(self.by):
            if not dimension.startswith(PROPERTY):
                columns.append(otherwise(dimension))
                continue
            kind, name = "LEFT" if self.first_is_enough and number else "CROSS", f"property{number}"
            joins += f" {kind} JOIN {table} AS {name} ON {name}.{key} = {calls} AND {name}.name = ?"
            columns.append(f"coalesce({name}.value, '')")
            names.append(dimension.removeprefix(PROPERTY))
        return columns, joins, [*names]


@dataclass(frozen=True, slots=True)
class Kept:
    """Sums that know all that is asked for."""

    unit: int
    """Milliseconds."""
    query: Callable[[int, int | None], Query]
    """Makes the query for some units: the first, and the one after the last, None for all."""
    complete_from: int = 0
    """Since when it has all calls, ms since the epoch."""


def kept(asked: Asked) -> Kept | None:
    """Return the sums that know all that is asked for; None where the calls have to be looked at."""
    return _rollup(asked) or _mixes(asked)


def period(name: str, at: str) -> str:
    """Return SQL for the hour, day, week (its Monday) or month that a moment is in."""
    return f"strftime('{PERIODS[name]}', {at}{_MONDAY if name == 'week' else ''})"


def added_up(
    columns: Sequence[str],
    amounts: Mapping[str, str],
    table: str,
    condition: str,
    prefix: str = "by",
) -> str:
    """Return a query that adds up at once, so that what is above it has few rows to look at.

    `prefix` begins the names of the columns. Where the table has such names itself, SQLite groups by those.
    """
    names = [f"{prefix}{number}" for number in range(len(columns))]
    selected = [f"{column} AS {name}" for column, name in zip(columns, names, strict=True)]
    selected += [f"coalesce(sum({amount}), 0) AS {name}" for name, amount in amounts.items()]
    groups = f" GROUP BY {', '.join(names)}" if names else ""
    return f"SELECT {', '.join(selected)} FROM {table} WHERE {condition}{groups}"


def _rollup(asked: Asked) -> Kept | None:
    """Return the roll-up by hour, or by day and one dimension, None where neither knows all that is asked for."""
    rest = replace(asked.wanted, since=None, until=None, provider=None, model=None)
    inner = {name for name in asked.by if name not in ("provider", "model")}
    if _MINUTE in inner:
        return None
    if rest == Filter() and inner <= PERIODS.keys():
        return Kept(HOUR_MS, partial(_from_rollup, asked, None))
    filtered = _dimension(rest)
    if filtered is None and rest != Filter():
        return None
    # The days of this roll-up are those of UTC, and cannot be put together to others.
    dimensions = inner - _DAYS if not asked.zone else inner
    if filtered is not None:
        dimensions = dimensions | {filtered[0]}
    if len(dimensions) != 1:
        return None
    (dimension,) = dimensions
    if dimension not in DIMENSIONS and not _is_summed(dimension):
        return None
    told = dimension, filtered[1] if filtered else None
    return Kept(DAY_MS, partial(_from_rollup, asked, told))


def _mixes(asked: Asked) -> Kept | None:
    """Return the sums of mixes, None where they do not know all that is asked for."""
    connection, wanted = asked.connection, asked.wanted
    within = Filter(**{name: getattr(wanted, name) for name in ("since", "until", *_OF_MIXES)})
    inner = {name for name in asked.by if name not in ("provider", "model", *mixes.OWN)}
    dimensions = inner - _DAYS if not asked.zone else inner
    dimensions |= {PROPERTY + name for name in wanted.properties}
    if wanted != within or not all(map(_is_summed, dimensions)) or not mixes.are_there(connection):
        return None
    return Kept(DAY_MS, partial(_from_mixes, asked), mixes.complete_from(connection))


def _is_summed(dimension: str) -> bool:
    is_property = dimension.startswith(PROPERTY)
    return is_property and dimension.removeprefix(PROPERTY).lower() not in NOT_SUMMED


def _dimension(rest: Filter) -> tuple[str, str] | None:
    """Return the dimension that is all a filter asks for, with its value; None where it is not one."""
    if rest.user is not None and rest == Filter(user=rest.user):
        return "user", rest.user
    if rest.run is not None and rest == Filter(run=rest.run):
        return "run", rest.run
    if len(rest.properties) == 1 and rest == Filter(properties=rest.properties):
        ((name, value),) = rest.properties.items()
        return PROPERTY + name, value
    return None


def _from_rollup(
    asked: Asked, told: tuple[str, str | None] | None, first: int, last: int | None
) -> Query:
    """Add up hours, or days of a dimension: all of its values, or the one that is told with it."""
    table, time, unit = ("hours", "hour", HOUR_MS) if told is None else ("days", "day", DAY_MS)
    columns = [
        period(name, f"{time} * {unit // 1000}, 'unixepoch'{asked.zone}")
        if name in PERIODS
        else (name if name in ("provider", "model") else "value")
        for name in asked.by
    ]
    dimension, value = told or (None, None)
    conditions, values = _within(asked, time, first, last)
    for condition, needed in (
        ("dimension = ?", dimension and dimension.lower()),
        ("value = ?", value),
    ):
        if needed is not None:
            conditions.append(condition)
            values.append(needed)
    return added_up(columns, _AMOUNTS, table, " AND ".join(conditions)), values


def _from_mixes(asked: Asked, first: int, last: int | None) -> Query:
    """Add up the days of each mix, and then the mixes, which have what is asked of calls under the same names."""
    conditions, values = _within(asked, "day", first, last)
    own = {name: name for name in asked.by if name in ("provider", "model")}
    for name in asked.by:
        if name in PERIODS:
            own[name] = period(name, f"day * {DAY_MS // 1000}, 'unixepoch'{asked.zone}")
    of_mix = added_up(
        ["mix_id", *own.values()], _AMOUNTS, "mix_days", " AND ".join(conditions), "own"
    )
    table = f"({of_mix}) AS days JOIN mixes AS calls ON calls.id = days.own0"

    def column(name: str) -> str:
        if name in own:
            return f"days.own{list(own).index(name) + 1}"
        return f"coalesce(calls.{name}, '')"

    columns, joins, marks = asked.columns("mix_properties.mix_id", "calls.id", column)
    conditions, needed = filters.conditions(
        replace(asked.wanted, since=None, until=None, provider=None, properties={})
    )
    for name, value in asked.wanted.properties.items():
        conditions.append(
            "calls.id IN (SELECT mix_id FROM mix_properties WHERE name = ? AND value = ?)"
        )
        needed += (name, value)
    amounts = {name: f"days.{name}" for name in SUMS}
    outer = added_up(columns, amounts, table + joins, " AND ".join(conditions) or "1")
    return outer, [*values, *marks, *needed]


def _within(asked: Asked, time: str, first: int, last: int | None) -> tuple[list[str], Values]:
    """Return what rows of sums must have that are of some units of time and of the provider and model that are wanted."""
    wanted = asked.wanted
    conditions = [f"{time} >= ?"]
    values: Values = [first]
    for condition, value in ((f"{time} < ?", last), ("provider = ?", wanted.provider)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    of_model, names = filters.of_model(asked.connection, wanted.model, "model")
    return [*conditions, *of_model], [*values, *names]
