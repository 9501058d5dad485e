"""Sums by hour and day: what makes a report over a million calls a look at a few thousand rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from llmitm.callers import NOT_SUMMED
from llmitm.store.rows import Row
from llmitm.store.views import SUMS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DIMENSIONS = ("user", "client", "run")
"""What is added up by the day, beside properties."""


COLUMNS = (
    *("started_at", "provider", "model", "user", "client", "run_id", "operation", "outcome"),
    *("status", "counted"),
    *("cost_nanousd", "usage_source", "input_tokens", "output_tokens", "cached_input_tokens"),
    *("cache_write_tokens", "reasoning_tokens", "latency_ms", "attempts", "cache", "saved_nanousd"),
)
"""Of `calls`, what is looked at to add a call up."""


def upsert(table: str, keys: int) -> str:
    """Return SQL that adds to a row of sums, or makes it."""
    marks = ", ".join("?" * (keys + len(SUMS)))
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO UPDATE SET {added}"


def adjustment(table: str, keys: Sequence[str]) -> str:
    """Return SQL that changes what a row of sums says of cost."""
    among = " AND ".join(f"{key} = ?" for key in keys)
    return (
        f"UPDATE {table} SET unpriced = unpriced + ?, cost_nanousd = cost_nanousd + ? WHERE {among}"
    )


_ADD_HOURS, _ADD_DAYS = upsert("hours", 3), upsert("days", 5)
_ADJUST_HOURS = adjustment("hours", ("hour", "provider", "model"))
_ADJUST_DAYS = adjustment("days", ("dimension", "day", "value", "provider", "model"))

type Sums = dict[tuple[int | str, ...], list[int]]


class Summand(NamedTuple):
    """What a call adds to sums."""

    row: Row
    properties: Mapping[str, str]
    amounts: Sequence[int]
    """In the order of `SUMS`."""


class Difference(NamedTuple):
    """What another price of a call adds to its sums."""

    row: Row
    properties: Mapping[str, str]
    unpriced: int
    cost_nanousd: int


def summands(calls: Iterable[tuple[Row, Mapping[str, str]]]) -> list[Summand]:
    """Return what calls add to sums, each given with its properties."""
    return [Summand(row, properties, _amounts(row)) for row, properties in calls]


def add(connection: sqlite3.Connection, calls: Iterable[Summand]) -> None:
    """Add calls to the sums of their hours and days."""
    hours, days = _sums(calls)
    connection.executemany(_ADD_HOURS, [(*key, *sums) for key, sums in hours.items()])
    connection.executemany(_ADD_DAYS, [(*key, *sums) for key, sums in days.items()])


def adjust(connection: sqlite3.Connection, differences: Iterable[Difference]) -> None:
    """Add to the sums what calls that are in them cost more, or less, by now."""
    hours, days = _sums((row, properties, more) for row, properties, *more in differences)
    connection.executemany(_ADJUST_HOURS, [(*sums, *key) for key, sums in hours.items()])
    connection.executemany(_ADJUST_DAYS, [(*sums, *key) for key, sums in days.items()])


def _sums(
    calls: Iterable[tuple[Row, Mapping[str, str], Sequence[int]]],
) -> tuple[Sums, Sums]:
    """Return the amounts of calls by hour, and by day and dimension."""
    hours: Sums = {}
    days: Sums = {}
    for row, properties, amounts in calls:
        at: int = row["started_at"]
        provider, model = row["provider"], row["model"] or ""
        add_up(hours, (at // HOUR_MS, provider, model), amounts)
        for dimension, value in _dimensions(row, properties):
            add_up(days, (dimension, at // DAY_MS, value, provider, model), amounts)
    return hours, days


def add_up(sums: Sums, key: tuple[int | str, ...], amounts: Sequence[int]) -> None:
    """Add amounts to those of a key."""
    known = sums.get(key)
    if known is None:
        sums[key] = list(amounts)
    else:
        for position, amount in enumerate(amounts):
            known[position] += amount


def _amounts(row: Row) -> tuple[int, ...]:
    """Return the summands of a call, in the order of `SUMS`."""
    counted = row["counted"]
    return (
        1,
        int(row["outcome"] == "error"),
        int(row["cost_nanousd"] is None),
        int(row["usage_source"] == "estimated"),
        counted and (row["input_tokens"] or 0),
        counted and (row["output_tokens"] or 0),
        counted and (row["cached_input_tokens"] or 0),
        counted and (row["cache_write_tokens"] or 0),
        counted and (row["reasoning_tokens"] or 0),
        row["cost_nanousd"] or 0,
        row["latency_ms"] or 0,
        row["attempts"] - 1,
        int(row["outcome"] == "blocked"),
        int(row["cache"] == "hit"),
        row["saved_nanousd"] or 0,
    )


def _dimensions(row: Row, properties: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "user", row["user"] or ""
    yield "client", row["client"] or ""
    yield "run", row["run_id"] or ""
    for name, value in properties.items():
        if name.lower() not in NOT_SUMMED:
            yield f"property:{name.lower()}", value
