"""Questions to the log, by name. The command line asks here, and nobody writes SQL elsewhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from llmitm.errors import LlmitmError
from llmitm.store import filters
from llmitm.store.database import open_readable
from llmitm.store.filters import Filter
from llmitm.store.views import SUMS

type Record = dict[str, Any]
"""A row by its column names."""
type _Where = tuple[str, list[int | str]]
"""SQL, and the values of its marks."""

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_OF_HOURS = ("hour", "day", "month", "provider", "model")
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
_PERIODS = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}
DIMENSIONS = (*_PERIODS, *_COLUMNS)
"""What sums can be made by, beside `property:NAME`."""
_LARGEST_KEY = 2**63 - 1
_MOST_FOUND = 10_000
"""Calls with a text that are added up."""


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


class Reader:
    """A log, opened to read. Raises `StoreError` where there is none, or where it is not ours."""

    def __init__(self, path: Path) -> None:
        self.db = open_readable(path)
        self._connection: sqlite3.Connection = self.db.conn
        self._connection.row_factory = None

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def recent(self, wanted: Filter, limit: int) -> list[Record]:
        """Return the latest calls that fit, the latest first."""
        keys = filters.find(self._connection, wanted, limit)
        return [self._record(key) for key in keys]

    def call(self, name: str) -> Record:
        """Return a call by its id, an unambiguous end of it, `last`, or `@N` for the Nth latest.

        Raises `LlmitmError` where there is none, or more than one.
        """
        if name == "last" or (name.startswith("@") and name[1:].isdecimal()):
            number = 1 if name == "last" else int(name[1:])
            keys = filters.find(self._connection, Filter(), number) if number else []
            if len(keys) < number or not keys:
                raise LlmitmError(f"the log has no call {name}")
            return self._record(keys[-1])
        rows = self._connection.execute(
            "SELECT key FROM calls WHERE id = ?1 OR substr(id, -length(?1)) = ?1 LIMIT 2",
            (name.upper(),),
        ).fetchall()
        if len(rows) != 1:
            found = "more than one call ends" if rows else "no call has an id that ends"
            raise LlmitmError(f"{found} in {name!r}; llmitm ls --ids shows them")
        return self._record(rows[0][0])

    def bodies(self, identity: str) -> tuple[str | None, str | None]:
        """Return request and response of a call, whole."""
        row = self._connection.execute(
            "SELECT request_body, response_body FROM exchanges WHERE id = ?", (identity,)
        ).fetchone()
        return (row[0], row[1]) if row else (None, None)

    def properties(self, key: int) -> dict[str, str]:
        """Return the properties of a call."""
        query = "SELECT name, value FROM properties WHERE call_key = ? ORDER BY name"
        return dict(self._connection.execute(query, (key,)).fetchall())

    def sums(self, wanted: Filter, by: Sequence[str] = (), *, utc: bool = False) -> list[Sums]:
        """Return sums by some dimensions, the dearest first. Raises `LlmitmError` for an unknown dimension.

        Days are those of the local time zone, or of UTC.
        """
        for dimension in by:
            if dimension not in DIMENSIONS and not dimension.startswith("property:"):
                allowed = ", ".join(DIMENSIONS)
                raise LlmitmError(
                    f"{dimension!r} is unknown; allowed are {allowed} and property:NAME"
                )
        zone = "" if utc else ", 'localtime'"
        if _in_hours(wanted, by):
            query, values = _hours(wanted, by, zone)
        elif _in_days(wanted, by):
            query, values = _days(wanted, by[0])
        else:
            query, values = _from_calls(self._where(wanted), by, zone)
        rows = self._connection.execute(query, values)
        return [Sums(tuple(map(str, row[: len(by)])), *row[len(by) :]) for row in rows]

    def quantiles(self, wanted: Filter, shares: Sequence[float]) -> list[int | None]:
        """Return latencies (ms) that these shares of the calls did not exceed."""
        where, values = self._where(wanted)
        query = f"SELECT latency_ms FROM calls WHERE {where} AND latency_ms IS NOT NULL ORDER BY latency_ms"
        times = [row[0] for row in self._connection.execute(query, values)]
        return [times[round(share * (len(times) - 1))] if times else None for share in shares]

    def rate_limits(self) -> list[Record]:
        """Return the latest word of each limit."""
        query = """SELECT provider, api_key, model, name, "limit", remaining, lowest, resets_at, max(seen_at) AS seen_at
            FROM rate_limits GROUP BY provider, api_key, model, name ORDER BY provider, model, name"""
        return _records(self._connection.execute(query))

    def losses(self) -> dict[str, int]:
        """Return what the log lacks, by reason."""
        return {
            row[0]: row[1] for row in self._connection.execute("SELECT reason, count FROM losses")
        }

    def query(self, sql: str) -> list[Record]:
        """Return the rows of a query of the user's. Raises `sqlite3.Error`."""
        return _records(self._connection.execute(sql))

    def _where(self, wanted: Filter) -> _Where:
        conditions, values = filters.conditions(wanted)
        if wanted.model is not None:
            names = filters.models(self._connection, wanted.model)
            conditions.append(f"calls.model IN ({', '.join('?' * len(names))})")
            values += names
        if wanted.text is not None:
            keys = filters.find(self._connection, wanted, _MOST_FOUND)
            conditions.append(f"calls.key IN ({', '.join(map(str, keys))})")
        return " AND ".join(conditions) or "1", values

    def _record(self, key: int) -> Record:
        (record,) = _records(self._connection.execute(_RECORD, (key,)))
        for name in ("tool_calls", "notes", "cost_parts", "other_units"):
            record[name] = json.loads(record[name]) if record[name] else None
        return record


def _records(cursor: sqlite3.Cursor) -> list[Record]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a log for the length of a block."""
    reader = Reader(path)
    try:
        yield reader
    finally:
        reader.close()


_RECORD = """SELECT calls.*,
    (SELECT text FROM part_text WHERE id = bodies.prompt_part_id) AS prompt,
    (SELECT text FROM part_text WHERE id = bodies.answer_part_id) AS response,
    (SELECT id FROM calls AS earlier WHERE earlier.key = calls.parent_key) AS parent_id
FROM calls LEFT JOIN bodies ON bodies.call_key = calls.key WHERE calls.key = ?"""

_SUMMED = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
_SUMMED_CALLS = """count(*), coalesce(sum(outcome = 'error'), 0), coalesce(sum(cost_nanousd IS NULL), 0),
    coalesce(sum(usage_source = 'estimated'), 0), coalesce(sum(counted * input_tokens), 0),
    coalesce(sum(counted * output_tokens), 0), coalesce(sum(counted * cached_input_tokens), 0),
    coalesce(sum(counted * cache_write_tokens), 0), coalesce(sum(counted * reasoning_tokens), 0),
    coalesce(sum(cost_nanousd), 0), coalesce(sum(latency_ms), 0)"""


def _in_hours(wanted: Filter, by: Sequence[str]) -> bool:
    """Tell whether the hourly sums know all that is asked for."""
    plain = replace(wanted, since=None, until=None, provider=None, model=None)
    exact = wanted.model is None or "*" not in wanted.model
    return (
        plain == Filter()
        and exact
        and wanted.model is None
        and all(dimension in _OF_HOURS for dimension in by)
        and _is_multiple(wanted.since, _HOUR_MS)
        and _is_multiple(wanted.until, _HOUR_MS)
    )


def _in_days(wanted: Filter, by: Sequence[str]) -> bool:
    """Tell whether the daily sums know it; their days are UTC's."""
    known = len(by) == 1 and (by[0] in ("user", "client", "run") or by[0].startswith("property:"))
    return (
        known
        and replace(wanted, since=None, until=None) == Filter()
        and _is_multiple(wanted.since, _DAY_MS)
        and _is_multiple(wanted.until, _DAY_MS)
    )


def _is_multiple(time: datetime | None, unit: int) -> bool:
    return time is None or filters.milliseconds(time) % unit == 0


def _hours(wanted: Filter, by: Sequence[str], zone: str) -> _Where:
    since, until = _range(wanted, _HOUR_MS)
    columns = [
        f"strftime('{_PERIODS[name]}', hour * 3600, 'unixepoch'{zone})"
        if name in _PERIODS
        else name
        for name in by
    ]
    values: list[int | str] = [since, until]
    provider = ""
    if wanted.provider is not None:
        provider = " AND provider = ?"
        values.append(wanted.provider)
    where = f"hour >= ? AND hour < ?{provider}"
    return _grouped("hours", columns, _SUMMED, where), values


def _days(wanted: Filter, dimension: str) -> _Where:
    since, until = _range(wanted, _DAY_MS)
    where = "dimension = ? AND day >= ? AND day < ?"
    return _grouped("days", ["value"], _SUMMED, where), [dimension.lower(), since, until]


def _range(wanted: Filter, unit: int) -> tuple[int, int]:
    since = filters.milliseconds(wanted.since) // unit if wanted.since else 0
    until = filters.milliseconds(wanted.until) // unit if wanted.until else _LARGEST_KEY
    return since, until


def _from_calls(condition: _Where, by: Sequence[str], zone: str) -> _Where:
    columns: list[str] = []
    own: list[int | str] = []
    for name in by:
        if name in _PERIODS:
            columns.append(f"strftime('{_PERIODS[name]}', started_at / 1000, 'unixepoch'{zone})")
        elif name in _COLUMNS:
            columns.append(_COLUMNS[name])
        else:
            columns.append(
                "coalesce((SELECT value FROM properties WHERE call_key = calls.key AND name = ?), '')"
            )
            own.append(name.partition(":")[2])
    where, values = condition
    return _grouped("calls", columns, _SUMMED_CALLS, where), [*own, *values]


def _grouped(table: str, columns: Sequence[str], sums: str, where: str) -> str:
    selected = "".join(f"{column} AS by{n}, " for n, column in enumerate(columns))
    groups = ", ".join(f"by{n}" for n in range(len(columns)))
    group = (
        f"GROUP BY {groups} ORDER BY sum(cost_nanousd) DESC, sum(input_tokens) DESC, {groups}"
        if groups
        else ""
    )
    counted = "sum(calls)" if table != "calls" else "count(*)"
    having = f" HAVING {counted} > 0" if not groups else ""
    return f"SELECT {selected}{sums} FROM {table} WHERE {where} {group}{having}"


def as_mapping(sums: Sums) -> Mapping[str, int]:
    """Return sums by their names, for JSON."""
    return {name: getattr(sums, name) for name in SUMS}
