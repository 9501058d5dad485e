"""What is in the accounts of budgets, and how calls that have ended change it, within a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llmitm.money import nano
from llmitm.policy.budgets import Budget, Held
from llmitm.policy.windows import Window


class Account(NamedTuple):
    """Where to reserve, and until when."""

    id: int
    held: Held
    window: Window


class Use(NamedTuple):
    """What is in an account, nano-dollars."""

    spent: int
    reserved: int
    doubt: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What has become of a call."""

    call_id: str
    key: int | None
    """Its key in the log."""
    at: float
    """When it began, seconds since the epoch."""
    cost: int | None
    """Nano-dollars. None where it is not known, or may be more than is known: it counts as it was reserved."""
    holding: Sequence[Held]
    """The budgets that hold for it, for those that did not when it was reserved, if it was."""
    is_unpriced: bool = False
    """Whether, with no cost and nothing reserved, it counts as what a budget says of calls without a price."""


class Crossing(NamedTuple):
    """An account has reached a percentage of its limit that is to be told."""

    held: Held
    percent: int
    use: Use
    window: Window


class Settling:
    """What a batch of calls adds to each account, so that each is written once; nothing is before `write`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._slices: dict[int, int] = {}
        """The length of the slices of an account, milliseconds."""
        self._found: dict[tuple[int, int], tuple[int, int]] = {}
        """What was spent and what of it is in doubt, by account and slice."""

    @property
    def accounts(self) -> set[int]:
        """Those to which anything is added."""
        return {account for account, _ in self._found}

    def settle(self, call: Settlement, file: int) -> None:
        """Take a call, whose reservation ends; `file` is the log that it is in."""
        rows = self._connection.execute(
            "DELETE FROM reservations WHERE call_id = ? RETURNING accounts, amount",
            (call.call_id,),
        ).fetchall()
        added: set[int] = set()
        for accounts, amount in rows:
            spent = amount if call.cost is None else call.cost
            doubt = amount if call.cost is None else 0
            for number in map(int, json.loads(accounts)):
                added.add(number)
                self._add(number, call.at, spent, doubt)
        for held in call.holding:
            cost = _unreserved(held.budget, call) if call.cost is None else call.cost
            found = self._account(held, call, file)
            if found is not None and found not in added:
                self._add(found, call.at, cost, 0)

    def _account(self, held: Held, call: Settlement, file: int) -> int | None:
        """Return the account that a call which was not reserved belongs to, unless it is in there already."""
        at = round(call.at * 1000)
        found = self._connection.execute(
            "SELECT id FROM accounts WHERE budget = ? AND value = ? AND (slice OR (start <= ? AND until > ?))"
            " AND log_key >= 0 AND NOT (log_file = ? AND log_key >= ?)",
            (held.budget.identity, held.value, at, at, file, call.key or 0),
        ).fetchone()
        return None if found is None else int(found[0])

    def _add(self, account: int, at: float, spent: int, doubt: int) -> None:
        if account not in self._slices:
            query = "SELECT slice FROM accounts WHERE id = ?"
            row = self._connection.execute(query, (account,)).fetchone()
            self._slices[account] = row[0] if row else 0
        length = self._slices[account]
        place = account, int(at * 1000) // length if length else 0
        before = self._found.get(place, (0, 0))
        self._found[place] = before[0] + spent, before[1] + doubt

    def write(self) -> None:
        """Add all of it to the accounts."""
        for (account, number), (spent, doubt) in self._found.items():
            self._connection.execute(
                "UPDATE accounts SET spent = spent + ?, doubt = doubt + ? WHERE id = ?",
                (spent, doubt, account),
            )
            if self._slices[account]:
                _add_to_slice(self._connection, account, number, spent, doubt)


def _unreserved(budget: Budget, call: Settlement) -> int:
    """Return what a call without a price counts as for a budget by which nothing was reserved."""
    unpriced = budget.unpriced
    return 0 if isinstance(unpriced, str) or not call.is_unpriced else nano(unpriced)


def crossed(
    connection: sqlite3.Connection, touched: set[int], budgets: Sequence[Budget]
) -> Iterator[Crossing]:
    """Yield what is to be warned of now, and take note that it has been."""
    by_identity = {budget.identity: budget for budget in budgets}
    for account in touched:
        row = connection.execute(
            "SELECT budget, value, start, until, spent, reserved, doubt, warned FROM accounts WHERE id = ?",
            (account,),
        ).fetchone()
        if row is None or (budget := by_identity.get(row[0])) is None:
            continue
        _, value, start, until, spent, reserved, doubt, warned = row
        share = _percent(spent, budget.limit_nanousd)
        reached = max((each for each in budget.warn_at if each <= share), default=0)
        if reached > warned:
            connection.execute("UPDATE accounts SET warned = ? WHERE id = ?", (reached, account))
            window = Window(start / 1000, until / 1000)
            yield Crossing(Held(budget, value), reached, Use(spent, reserved, doubt), window)


def slide(connection: sqlite3.Connection, account: int, first: int, until: int) -> None:
    """Forget what an account has before a slice."""
    spent, doubt = connection.execute(
        "SELECT coalesce(sum(spent), 0), coalesce(sum(doubt), 0) FROM slices WHERE account = ? AND number < ?",
        (account, first),
    ).fetchone()
    connection.execute("DELETE FROM slices WHERE account = ? AND number < ?", (account, first))
    connection.execute(
        "UPDATE accounts SET spent = spent - ?, doubt = doubt - ?, until = max(until, ?),"
        " warned = iif(? > 0, 0, warned) WHERE id = ?",
        (spent, doubt, until, spent, account),
    )


def begin(
    connection: sqlite3.Connection, account: int, by_slice: Mapping[int, int], spent: int
) -> None:
    """Put into a new account what the log has; of several processes that have read it, one does."""
    begun = connection.execute(
        "UPDATE accounts SET spent = spent + ?, ready = 1 WHERE id = ? AND NOT ready",
        (spent, account),
    )
    if begun.rowcount:
        for number, amount in by_slice.items():
            _add_to_slice(connection, account, number, amount, 0)


def _add_to_slice(
    connection: sqlite3.Connection, account: int, number: int, spent: int, doubt: int
) -> None:
    connection.execute(
        "INSERT INTO slices VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET spent = spent + ?3, doubt = doubt + ?4",
        (account, number, spent, doubt),
    )


def _percent(spent: int, limit: int) -> int:
    """Return how much of a limit is spent, in whole percent, rounded down."""
    return spent * 100 // limit if limit else 100
