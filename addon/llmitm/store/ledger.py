"""The accounts of budgets, in an SQLite file of their own that all proxies of a home share.

A call is reserved before it is made, in one statement that takes its amount from every account or from none, and settled
once it is in the log. What is written survives the end of the process, however that ends: nothing of it waits in memory.

Reserving is done on the event loop and never waits: where another process is writing, it says so (`Busy`).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from llmitm.policy.budgets import Budget, Held
from llmitm.policy.windows import Window
from llmitm.store import spending
from llmitm.store.accounts import (
    Account,
    Crossing,
    Settlement,
    Settling,
    Use,
    begin,
    crossed,
    slide,
)
from llmitm.store.ledger_file import WAIT_SECONDS, at_once, connect
from llmitm.store.owners import Owner

_KEPT_SECONDS = 40 * 86_400
"""How long an account is kept after its end, to be looked at."""


class Ledger:
    """The accounts. Raises `sqlite3.Error` and `OSError` wherever the file cannot be read or written."""

    def __init__(self, path: Path, log: Path) -> None:
        self._path = path
        self._log = log
        self._owner: Owner | None = None
        self._quick = connect(path, wait=0)
        """Of the event loop."""
        self._lock = threading.Lock()
        self._slow = connect(path, wait=WAIT_SECONDS)
        """Of threads, one at a time."""

    # The definitions.

    def number(self) -> int:
        """Return what changes with every change of the definitions."""
        with at_once():
            found: int = self._quick.execute("SELECT number FROM changes").fetchone()[0]
        return found

    def definitions(self) -> Mapping[str, str]:
        """Return what was defined by hand, as JSON by name."""
        with self._lock:
            return dict(self._slow.execute("SELECT name, definition FROM definitions").fetchall())

    def define(self, name: str, definition: str | None) -> bool:
        """Keep a definition, or remove one; return whether there was one."""
        with self._writing() as connection:
            query = "DELETE FROM definitions WHERE name = ?"
            was_there = connection.execute(query, (name,)).rowcount > 0
            if definition is not None:
                connection.execute("INSERT INTO definitions VALUES (?, ?)", (name, definition))
            connection.execute("UPDATE changes SET number = number + 1")
        return was_there

    # Before a call.

    def account(self, held: Held, window: Window) -> Account:
        """Return the account of a budget for a span of time, set up from the log where it is new. May take a while."""
        budget = held.budget
        slice_ms = round(budget.period.slice_seconds * 1000)
        start, until = round(window.start * 1000), round(window.end * 1000)
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO accounts (budget, value, start, until, slice, spent, reserved, doubt,"
                " warned, log_file, log_key, ready) VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, -1, -1, 0)",
                (budget.identity, held.value, 0 if slice_ms else start, until, slice_ms),
            )
            number, file, key, ready = connection.execute(
                "SELECT id, log_file, log_key, ready FROM accounts WHERE budget = ? AND value = ? AND start = ?",
                (budget.identity, held.value, 0 if slice_ms else start),
            ).fetchone()
            if key < 0:
                # From here on later calls are added as they are settled, so the log may be read at leisure.
                file, key = spending.state(self._log)
                connection.execute(
                    "UPDATE accounts SET log_file = ?, log_key = ? WHERE id = ?",
                    (file, key, number),
                )
            if ready and slice_ms:
                slide(connection, number, start // slice_ms, until)
        if not ready:
            by_slice = spending.spent(self._log, held, window.start, key, slice_ms)
            with self._writing() as connection:
                begin(connection, number, by_slice if slice_ms else {}, sum(by_slice.values()))
        return Account(number, held, window)

    def reserve(
        self, call_id: str, accounts: Sequence[tuple[int, int | None]], amount: int, at: float
    ) -> bool:
        """Take an amount from all accounts, each with its limit or None; return False where one has not that much.

        Does not wait. Raises `Busy`.
        """
        values = (call_id, _as_json(accounts), amount, round(at * 1000), self._mine.name)
        with at_once():
            return _reserve(self._quick, values)

    def reserve_slowly(
        self, call_id: str, accounts: Sequence[tuple[int, int | None]], amount: int, at: float
    ) -> bool:
        """Do the same, but wait where another process is writing."""
        values = (call_id, _as_json(accounts), amount, round(at * 1000), self._mine.name)
        with self._lock:
            return _reserve(self._slow, values)

    def extend(self, call_id: str, amount: int) -> bool:
        """Reserve so much for a call instead of what it has; return False where that is not there.

        Does not wait. Raises `Busy`.
        """
        with at_once():
            return _is_done(
                self._quick,
                "UPDATE reservations SET amount = ? WHERE call_id = ?",
                (amount, call_id),
            )

    def uses(self, accounts: Sequence[int]) -> Mapping[int, Use]:
        """Return what is in some accounts."""
        query = "SELECT id, spent, reserved, doubt FROM accounts WHERE id IN (SELECT value FROM json_each(?))"
        with at_once():
            rows = self._quick.execute(query, (json.dumps(list(accounts)),)).fetchall()
        return {number: Use(*use) for number, *use in rows}

    def release(self, call_id: str) -> None:
        """Give back what was reserved for a call that was never sent. Waits where another process is writing."""
        with self._writing() as connection:
            connection.execute("DELETE FROM reservations WHERE call_id = ?", (call_id,))

    def doubt(self, call_id: str) -> None:
        """Count a call as it was reserved: it was sent, and what became of it will never be known."""
        with self._writing() as connection:
            sums = Settling(connection)
            sums.settle(Settlement(call_id, None, time.time(), None, ()), 0)
            sums.write()

    # After it.

    def settle(self, calls: Sequence[Settlement], budgets: Sequence[Budget]) -> list[Crossing]:
        """Put what calls have cost in place of what was reserved; return what is to be warned of."""
        try:
            file = self._log.stat().st_ino
        except FileNotFoundError:
            file = 0
        with self._writing() as connection:
            sums = Settling(connection)
            for call in calls:
                sums.settle(call, file)
            sums.write()
            return list(crossed(connection, sums.accounts, budgets))

    def recover(self) -> int:
        """Settle what dead processes had reserved: by the log, else as it was reserved; return how much there was."""
        mine = self._mine
        with self._lock:
            names = [
                name for (name,) in self._slow.execute("SELECT DISTINCT owner FROM reservations")
            ]
        dead = [name for name in names if mine.is_dead(name)]
        settled = 0
        for name in dead:
            with self._writing() as connection:
                query = "SELECT call_id, at FROM reservations WHERE owner = ?"
                rows = connection.execute(query, (name,)).fetchall()
                known = spending.logged(self._log, [call_id for call_id, _ in rows])
                sums = Settling(connection)
                for call_id, at in rows:
                    found = known.get(call_id)
                    cost = found.cost if found and found.is_answered else None
                    sums.settle(Settlement(call_id, None, at / 1000, cost, ()), 0)
                sums.write()
                settled += len(rows)
            mine.bury(name)
        with self._writing() as connection:
            ended = int((time.time() - _KEPT_SECONDS) * 1000)
            connection.execute(
                "DELETE FROM accounts WHERE until < ? AND reserved = 0 AND NOT slice", (ended,)
            )
        return settled

    def forgive(self, name: str) -> int:
        """Give back what is in doubt of a budget; return how much that was, in nano-dollars."""
        with self._writing() as connection:
            rows = connection.execute(
                "SELECT id, doubt FROM accounts WHERE budget GLOB ? || '#*'", (name,)
            ).fetchall()
            for number, doubt in rows:
                connection.execute(
                    "UPDATE accounts SET spent = spent - ?, doubt = 0 WHERE id = ?", (doubt, number)
                )
                connection.execute(
                    "UPDATE slices SET spent = spent - doubt, doubt = 0 WHERE account = ?",
                    (number,),
                )
        return sum(doubt for _, doubt in rows)

    def all_accounts(self, budget: Budget, window: Window) -> Mapping[str, Use]:
        """Return the accounts of a budget in a span of time, by what they are for each of."""
        slides = budget.period.sliding is not None
        start = 0 if slides else round(window.start * 1000)
        query = (
            "SELECT value, spent, reserved, doubt FROM accounts"
            " WHERE budget = ? AND start = ? AND ready ORDER BY spent DESC"
        )
        with self._lock:
            rows = self._slow.execute(query, (budget.identity, start)).fetchall()
        return {value: Use(*use) for value, *use in rows}

    def spent_since(self, held: Held, since: float) -> int:
        """Return what the log has of a budget from a time on, in seconds since the epoch. May take a while."""
        up_to = spending.state(self._log).key
        return sum(spending.spent(self._log, held, since, up_to, 0).values())

    def close(self) -> None:
        """Close the file. What is still reserved is settled by the next proxy."""
        with self._lock:
            self._quick.close()
            self._slow.close()
        if self._owner is not None:
            self._owner.close()

    @property
    def _mine(self) -> Owner:
        if self._owner is None:
            self._owner = Owner(self._path.with_suffix(".owners"))
        return self._owner

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._slow
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def _as_json(accounts: Sequence[tuple[int, int | None]]) -> str:
    limits = (f'"{number}":{"null" if cap is None else cap}' for number, cap in accounts)
    return f"{{{','.join(limits)}}}"


def _reserve(connection: sqlite3.Connection, values: tuple[str, str, int, int, str]) -> bool:
    return _is_done(connection, "INSERT INTO reservations VALUES (?, ?, ?, ?, ?)", values)


def _is_done(connection: sqlite3.Connection, statement: str, values: tuple[str | int, ...]) -> bool:
    """Change a reservation; return False where there is not so much."""
    try:
        connection.execute(statement, values)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
            return False
        raise
    return True


@contextmanager
def opened(path: Path, log: Path) -> Iterator[Ledger]:
    """Open the accounts for a block."""
    with closing(Ledger(path, log)) as ledger:
        yield ledger
