"""What has been spent on the calls of a budget, by the log: where the account of a budget begins."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from llmitm.errors import StoreError
from llmitm.money import nano
from llmitm.policy.budgets import Budgets, Held, Who
from llmitm.store.opening import open_readable

_COLUMNS: Mapping[str, str] = {
    "provider": "coalesce(provider_requested, provider)",
    "model": "coalesce(model_requested, model)",
    "user": "user",
    "session": "session_id",
    "run": "run_id",
    "key": "api_key",
    "client": "client",
}


class LogState(NamedTuple):
    """How far the log has come, and which file it is."""

    file: int
    key: int


def state(log: Path) -> LogState:
    """Return the key of the latest call, 0 where there is none. Raises `sqlite3.Error`, `OSError`."""
    try:
        with closing(open_readable(log)) as connection:
            row = connection.execute("SELECT coalesce(max(key), 0) FROM calls").fetchone()
            return LogState(log.stat().st_ino, row[0])
    except (StoreError, FileNotFoundError):
        return LogState(0, 0)


def spent(log: Path, held: Held, since: float, up_to: int, slice_ms: int) -> Mapping[int, int]:
    """Return nano-dollars by the number of their slice (0 where there are none) of the calls up to a key.

    `since` is in seconds since the epoch. Raises `sqlite3.Error`, `StoreError`.
    """
    if up_to == 0:
        return {}
    budget = held.budget
    each = budget.each
    names = [name for name in _COLUMNS if getattr(budget, name) is not None]
    properties = list(budget.property or {})
    if each is not None and each in _COLUMNS:
        names.append(each)
    elif each is not None:
        properties.append(each)
    selected = [_COLUMNS[name] for name in names]
    selected += [
        "(SELECT value FROM properties WHERE call_key = calls.key AND name = ?)" for _ in properties
    ]
    selected.append("started_at / ?" if slice_ms else "0 * ?")
    columns = ", ".join(f"{column} AS c{number}" for number, column in enumerate(selected))
    groups = ", ".join(f"c{number}" for number in range(len(selected)))
    # The planner would look at the whole log by its keys, however short the time is.
    up_to_key = "+key <= ?" if since > 0 else "key <= ?"
    query = (
        f"SELECT {columns}, sum(coalesce(cost_nanousd, ?)) FROM calls"
        f" WHERE started_at >= ? AND {up_to_key} GROUP BY {groups}"
    )
    # What a fixed amount stands for is what has no price; the rest of the log is what it is.
    unpriced = 0 if isinstance(budget.unpriced, str) else nano(budget.unpriced)
    values = [*properties, slice_ms, unpriced, int(since * 1000), up_to]
    matching, found = Budgets([budget]), dict[int, int]()
    with closing(open_readable(log)) as connection:
        for row in connection.execute(query, values):
            *seen, number, amount = row
            known = dict(zip(names, seen, strict=False))
            who = Who(
                **{"provider": "", **known},
                properties={
                    name: value
                    for name, value in zip(properties, seen[len(names) :], strict=True)
                    if value is not None
                },
            )
            if held in matching.holding(who):
                found[number] = found.get(number, 0) + (amount or 0)
    return found


class Logged(NamedTuple):
    """What the log has of a call."""

    cost: int | None
    is_answered: bool


def logged(log: Path, call_ids: list[str]) -> Mapping[str, Logged]:
    """Return those of some calls that are in the log. Raises `sqlite3.Error`."""
    found: dict[str, Logged] = {}
    try:
        connection = open_readable(log)
    except StoreError:
        return found
    with closing(connection):
        for start in range(0, len(call_ids), 500):
            some = call_ids[start : start + 500]
            marks = ", ".join("?" * len(some))
            query = f"SELECT id, cost_nanousd, status IS NOT NULL OR outcome = 'blocked' FROM calls WHERE id IN ({marks})"
            for call_id, cost, is_answered in connection.execute(query, some):
                found[call_id] = Logged(cost, bool(is_answered))
    return found
