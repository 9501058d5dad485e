"""Which calls a person asks for, and the SQL that finds them by the index that fits best.

SQLite's planner knows nothing of how common a model or a property is, and sorting half a million calls to show fifty is
what it sometimes chooses. So one condition drives the search through an index in the order of time, and the others are
checked on the way.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from llmitm.errors import LlmitmError
from llmitm.money import nano
from llmitm.store import search

_DEAR_NANOUSD = 1_000_000
"""From this cost on calls are in an index of their own."""
_FIRST_ERROR = 400
_MOST_LOOKED_AT = 10_000
"""Calls with the words that are looked at for others that fit, beyond those that are wanted."""
_TIME = "calls.started_at"
_STATUS = re.compile(r"(>=|<=|>|<|=)?\s*(\d{3})|([1-5])xx", re.IGNORECASE)

type Values = list[int | str]


@dataclass(frozen=True, slots=True)
class Filter:
    """What calls must have; what is None does not matter."""

    since: datetime | None = None
    """Began at this time or later. Times know their zone."""
    until: datetime | None = None
    """Began before this time."""
    model: str | None = None
    """A name, whatever date follows it, or a pattern with `*`."""
    provider: str | None = None
    user: str | None = None
    run: str | None = None
    session: str | None = None
    client: str | None = None
    """Part of the user agent."""
    operation: str | None = None
    cache: str | None = None
    """What our own cache did: `hit`, `miss` and the like; `off` where it was not asked."""
    properties: Mapping[str, str] = field(default_factory=dict)
    status: str | None = None
    """`429`, `4xx` or `>=400`."""
    errors: bool = False
    """Only calls that did not end well."""
    min_cost: Decimal | None = None
    """In USD."""
    text: str | None = None
    """Words that the prompt or the response has, all of them; in quotes a phrase, `word*` is a beginning."""
    after: int | None = None
    """Only calls that ended after this one, by its `key`."""


def milliseconds(time: datetime) -> int:
    """Return a time in milliseconds since the epoch."""
    return round(time.timestamp() * 1000)


def find(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[int]:
    """Return the keys of the latest calls that fit, the latest first."""
    found: list[tuple[int, int]] = []
    given, values = conditions(wanted)
    names = [] if wanted.model is None else models(connection, wanted.model)
    if wanted.model is not None:
        given.append(among("calls.model", names))
        values += names
    for source, driving, own_values, order in _drivers(connection, wanted, names, limit):
        where = " AND ".join([*driving, *given]) or "1"
        query = f"SELECT calls.started_at, calls.key FROM {source} WHERE {where} ORDER BY {order} DESC LIMIT ?"
        found += connection.execute(query, [*own_values, *values, limit]).fetchall()
    return [key for _, key in sorted(set(found), reverse=True)[:limit]]


type _Driver = tuple[str, Sequence[str], Values, str]
"""What is searched, the condition that drives, its values, and the order in which the index gives the calls."""


def _drivers(
    connection: sqlite3.Connection, wanted: Filter, names: Sequence[str], limit: int
) -> Iterator[_Driver]:
    """Yield searches that together find everything. `names` are the models that are wanted."""
    if wanted.text is not None:
        # Where nothing else is asked for but a time, the latest ones with the words are what is wanted.
        alone = replace(wanted, text=None, since=None) == Filter()
        most = limit + 1_000 if alone else min(max(limit * 20, 1_000), limit + _MOST_LOOKED_AT)
        keys = search.calls(connection, wanted.text, most)
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            yield "calls", [among("key", some)], list(some), _TIME
    elif wanted.properties:
        name, value = next(iter(wanted.properties.items()))
        source = "properties INDEXED BY properties_by_value JOIN calls ON calls.key = call_key"
        yield source, ["properties.name = ?", "properties.value = ?"], [name, value], "call_key"
    elif wanted.model is not None:
        for name in names:
            yield "calls INDEXED BY calls_by_model", ["model = ?"], [name], _TIME
    else:
        yield _driver(wanted)


def _driver(wanted: Filter) -> _Driver:
    """Return the one search that a filter without text, properties and model needs."""
    for index, column, value in (
        ("calls_by_run", "run_id", wanted.run),
        ("calls_by_session", "session_id", wanted.session),
        ("calls_by_user", "user", wanted.user),
    ):
        if value is not None:
            return f"calls INDEXED BY {index}", [f"{column} = ?"], [value], _TIME
    if wanted.errors or is_of_errors(wanted.status):
        return "calls INDEXED BY calls_failed", ["outcome != 'ok'"], [], _TIME
    if wanted.min_cost is not None and (nano(wanted.min_cost) or 0) >= _DEAR_NANOUSD:
        return "calls INDEXED BY calls_dear", [f"cost_nanousd >= {_DEAR_NANOUSD}"], [], _TIME
    if wanted.provider is not None:
        driving = ["calls.provider = ?"]
        return "calls INDEXED BY calls_by_provider", driving, [wanted.provider], _TIME
    if wanted.after is not None:
        return "calls NOT INDEXED", [], [], "calls.key"
    return "calls INDEXED BY calls_by_time", [], [], _TIME


def models(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the models in the log that a name or pattern means."""
    known = [model for (model,) in connection.execute("SELECT DISTINCT model FROM hours") if model]
    wanted = name.casefold()
    if "*" in name or "?" in name:
        return [model for model in known if fnmatchcase(model.casefold(), wanted)]
    dated = re.compile(re.escape(wanted) + r"(?:[-@:]\d{4}[\d-]*)?")
    return [model for model in known if dated.fullmatch(model.casefold())]


def of_model(
    connection: sqlite3.Connection, name: str | None, column: str = "calls.model"
) -> tuple[list[str], Values]:
    """Return the condition that a model is one that a name or pattern means, with its values; none for no name."""
    if name is None:
        return [], []
    names = models(connection, name)
    return [among(column, names)], [*names]


def among(column: str, values: Sequence[object]) -> str:
    """Return SQL for a column that has one of some values, with a mark for each."""
    return f"{column} IN ({', '.join('?' * len(values))})"


def conditions(wanted: Filter) -> tuple[list[str], Values]:
    """Return all conditions but those that need a look into the log: the text and the models."""
    found: list[str] = []
    values: Values = []

    def add(condition: str, *value: int | str | None) -> None:
        if None not in value:
            found.append(condition)
            values.extend(each for each in value if each is not None)

    add("calls.started_at >= ?", milliseconds(wanted.since) if wanted.since else None)
    add("calls.started_at < ?", milliseconds(wanted.until) if wanted.until else None)
    add("calls.provider = ?", wanted.provider)
    add("calls.user = ?", wanted.user)
    add("calls.run_id = ?", wanted.run)
    add("calls.session_id = ?", wanted.session)
    add("instr(calls.client, ?)", wanted.client)
    add("calls.operation = ?", wanted.operation)
    if wanted.cache == "off":
        found.append("calls.cache IS NULL")
    else:
        add("calls.cache = ?", wanted.cache)
    add("calls.cost_nanousd >= ?", nano(wanted.min_cost))
    add("calls.key > ?", wanted.after)
    for name, value in wanted.properties.items():
        add(
            "EXISTS (SELECT 1 FROM properties AS p WHERE p.call_key = calls.key AND p.name = ? AND p.value = ?)",
            name,
            value,
        )
    if wanted.errors:
        add("calls.outcome != 'ok'")
    if wanted.status is not None:
        least, most = status_range(wanted.status)
        add("calls.status BETWEEN ? AND ?", least, most)
    return found, values


def status_range(text: str) -> tuple[int, int]:
    """Return the lowest and the highest status that `429`, `4xx` or `>=400` means. Raises `LlmitmError`."""
    match = _STATUS.fullmatch(text.strip())
    if match is None:
        raise LlmitmError(f"status {text!r} is not known: allowed are 429, 4xx, >=400 and the like")
    sign, number, hundreds = match.groups()
    if hundreds:
        return int(hundreds) * 100, int(hundreds) * 100 + 99
    status = int(number)
    ranges = {">=": (status, 999), ">": (status + 1, 999), "<=": (0, status), "<": (0, status - 1)}
    return ranges.get(sign or "=", (status, status))


def is_of_errors(status: str | None) -> bool:
    """Whether only calls that did not end well have such a status."""
    return status is not None and status_range(status)[0] >= _FIRST_ERROR
