"""Calls by several properties at once, such as a workflow and its steps, level by level."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from llmitm.store import sums
from llmitm.store.filters import Filter
from llmitm.store.kept_sums import PROPERTY
from llmitm.store.reader import Reader

MOST_LOOKED_AT = 10_000
"""Calls that are put in order where no sums of them are kept, the latest."""
_AMOUNTS = (
    *("calls", "errors", "unpriced", "input_tokens", "output_tokens", "cached_input_tokens"),
    *("cost_nanousd", "latency_ms"),
)
"""What a node adds up, in the order of its fields."""


@dataclass(slots=True)
class Node:
    """What calls with a value add up to, and the values of the next property below it."""

    value: str
    calls: int
    errors: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_nanousd: int
    latency_ms: int
    below: Sequence[Node] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """Calls by some properties."""

    nodes: Sequence[Node]
    """Those of the first property, the dearest first."""
    looked_at: int
    """Calls that were put in order."""
    is_cut: bool
    """Whether there are more calls than were looked at."""


def tree(log: Reader, wanted: Filter, names: Sequence[str]) -> Tree:
    """Return the calls that fit and have the first of some properties, by all of them.

    A call without one of the later properties is under an empty value. Where no sums are kept of what is asked for, these
    are the latest calls.
    """
    by = [PROPERTY + name for name in names]
    if not sums.are_kept(log.connection, wanted, by):
        return _of_latest(log.connection, wanted, names)
    found = sums.sums(log.connection, wanted, by, utc=True, first_is_enough=True)
    nodes = _nodes([(row.by, tuple(getattr(row, name) for name in _AMOUNTS)) for row in found])
    return Tree(nodes, sum(node.calls for node in nodes), is_cut=False)


def _in_order(nodes: Sequence[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: (-node.cost_nanousd, -node.calls, node.value))


def _of_latest(connection: sqlite3.Connection, wanted: Filter, names: Sequence[str]) -> Tree:
    given, values = sums.where(connection, wanted, of_few=True)
    columns = ", ".join(
        f"coalesce((SELECT value FROM properties WHERE call_key = calls.key AND name = ?), '') AS by{number}"
        for number in range(len(names))
    )
    latest = (
        f"SELECT {columns}, calls.* FROM calls INDEXED BY {_index(wanted)}"
        f" WHERE {given} AND {_HAS} ORDER BY calls.started_at DESC LIMIT {MOST_LOOKED_AT}"
    )
    groups = ", ".join(f"by{number}" for number in range(len(names)))
    added = ", ".join(f"sum({sums.AMOUNTS[name]})" for name in _AMOUNTS)
    rows = connection.execute(
        f"SELECT {groups}, {added} FROM ({latest}) AS calls GROUP BY {groups}",
        [*names, *values, names[0]],
    ).fetchall()
    nodes = _nodes([(row[: len(names)], row[len(names) :]) for row in rows])
    looked_at = sum(node.calls for node in nodes)
    return Tree(nodes, looked_at, looked_at >= MOST_LOOKED_AT)


def values(log: Reader, wanted: Filter, name: str) -> int:
    """Return how many calls that fit have a property, out of the roll-up where it knows."""
    found = sums.sums(log.connection, wanted, [PROPERTY + name], utc=True)
    return sum(row.calls for row in found)


def _index(wanted: Filter) -> str:
    if wanted.user is not None:
        return "calls_by_user"
    return "calls_by_provider" if wanted.provider is not None else "calls_by_time"


def _nodes(rows: Sequence[tuple[tuple[str, ...], tuple[int, ...]]]) -> list[Node]:
    """Put rows under one another by their first values."""
    parts: dict[str, list[tuple[tuple[str, ...], tuple[int, ...]]]] = {}
    for path, amounts in rows:
        parts.setdefault(path[0], []).append((path[1:], amounts))
    nodes = []
    for value, below in parts.items():
        totals = [sum(column) for column in zip(*(amounts for _, amounts in below), strict=True)]
        node = Node(value, *totals)
        if below[0][0]:
            node.below = _nodes(below)
        nodes.append(node)
    return _in_order(nodes)


_HAS = "EXISTS (SELECT 1 FROM properties AS p WHERE p.call_key = calls.key AND p.name = ?)"
