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
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from llmitm.money import nano
from llmitm.policy.budgets import Budget, Held
from llmitm.policy.windows import Window
from llmitm.store import spending
from llmitm.store.owners import Owner

_WAIT_SECONDS = 10
_KEPT_SECONDS = 40 * 86_400
"""How long an account is kept after its end, to be looked at."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS definitions (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL); -- of the definitions
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY,
    budget TEXT NOT NULL, -- its identity: name, and a hash of what it is for
    value TEXT NOT NULL, -- of what it is for each of
    start INTEGER NOT NULL, -- milliseconds since the epoch; 0 where it slides
    until INTEGER NOT NULL,
    slice INTEGER NOT NULL, -- milliseconds, 0 where it does not slide
    spent INTEGER NOT NULL, -- nano-dollars
    reserved INTEGER NOT NULL,
    doubt INTEGER NOT NULL, -- what of `spent` may not have been charged
    warned INTEGER NOT NULL, -- the percentage that was last warned of
    log_file INTEGER NOT NULL,
    log_key INTEGER NOT NULL, -- calls of the log up to this one are in `spent`
    ready INTEGER NOT NULL,
    UNIQUE (budget, value, start)
);
CREATE TABLE IF NOT EXISTS slices (
    account INTEGER NOT NULL,
    number INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    doubt INTEGER NOT NULL,
    PRIMARY KEY (account, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    call_id TEXT PRIMARY KEY,
    accounts TEXT NOT NULL, -- JSON: the limit of each, by its id
    amount INTEGER NOT NULL,
    at INTEGER NOT NULL,
    owner TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS reserve BEFORE INSERT ON reservations BEGIN
    SELECT RAISE(ABORT, 'full') WHERE EXISTS (
        SELECT 1 FROM json_each(NEW.accounts) AS wanted JOIN accounts ON accounts.id = CAST(wanted.key AS INTEGER)
        WHERE spent + reserved + NEW.amount > wanted.value);
    UPDATE accounts SET reserved = reserved + NEW.amount
        WHERE id IN (SELECT CAST(key AS INTEGER) FROM json_each(NEW.accounts));
END;
CREATE TRIGGER IF NOT EXISTS extend BEFORE UPDATE OF amount ON reservations BEGIN
    SELECT RAISE(ABORT, 'full') WHERE EXISTS (
        SELECT 1 FROM json_each(OLD.accounts) AS wanted JOIN accounts ON accounts.id = CAST(wanted.key AS INTEGER)
        WHERE spent + reserved + NEW.amount - OLD.amount > wanted.value);
    UPDATE accounts SET reserved = reserved + NEW.amount - OLD.amount
        WHERE id IN (SELECT CAST(key AS INTEGER) FROM json_each(OLD.accounts));
END;
CREATE TRIGGER IF NOT EXISTS release AFTER DELETE ON reservations BEGIN
    UPDATE accounts SET reserved = reserved - OLD.amount
        WHERE id IN (SELECT CAST(key AS INTEGER) FROM json_each(OLD.accounts));
END;
"""


class Busy(Exception):
    """Another process is writing."""


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


class Ledger:
    """The accounts. Raises `sqlite3.Error` and `OSError` wherever the file cannot be read or written."""

    def __init__(self, path: Path, log: Path) -> None:
        self._path = path
        self._log = log
        self._owner: Owner | None = None
        self._quick = _open(path, wait=0)
        """Of the event loop."""
        self._lock = threading.Lock()
        self._slow = _open(path, wait=_WAIT_SECONDS)
        """Of threads, one at a time."""

    # The definitions.

    def number(self) -> int:
        """Return what changes with every change of the definitions."""
        with _at_once():
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
                _slide(connection, number, start // slice_ms, until)
        if not ready:
            by_slice = spending.spent(self._log, held, window.start, key, slice_ms)
            with self._writing() as connection:
                _begin(connection, number, by_slice if slice_ms else {}, sum(by_slice.values()))
        return Account(number, held, window)

    def reserve(
        self, call_id: str, accounts: Sequence[tuple[int, int | None]], amount: int, at: float
    ) -> bool:
        """Take an amount from all accounts, each with its limit or None; return False where one has not that much.

        Does not wait. Raises `Busy`.
        """
        values = (call_id, _as_json(accounts), amount, round(at * 1000), self._mine.name)
        with _at_once():
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
        with _at_once():
            return _is_done(
                self._quick,
                "UPDATE reservations SET amount = ? WHERE call_id = ?",
                (amount, call_id),
            )

    def uses(self, accounts: Sequence[int]) -> Mapping[int, Use]:
        """Return what is in some accounts."""
        query = "SELECT id, spent, reserved, doubt FROM accounts WHERE id IN (SELECT value FROM json_each(?))"
        with _at_once():
            rows = self._quick.execute(query, (json.dumps(list(accounts)),)).fetchall()
        return {number: Use(*use) for number, *use in rows}

    def release(self, call_id: str) -> None:
        """Give back what was reserved for a call that was never sent. Waits where another process is writing."""
        with self._writing() as connection:
            connection.execute("DELETE FROM reservations WHERE call_id = ?", (call_id,))

    def doubt(self, call_id: str) -> None:
        """Count a call as it was reserved: it was sent, and what became of it will never be known."""
        with self._writing() as connection:
            sums = _Sums(connection)
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
            sums = _Sums(connection)
            for call in calls:
                sums.settle(call, file)
            sums.write()
            return list(_crossed(connection, sums.accounts, budgets))

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
                sums = _Sums(connection)
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


def _open(path: Path, wait: float) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(
        path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A commit waits for no disk: what is written outlives the process all the same.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
        if not wait:
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # the other connection does that
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _at_once() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy from error
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


def _slide(connection: sqlite3.Connection, account: int, first: int, until: int) -> None:
    """Forget what lies before a slice."""
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


def _begin(
    connection: sqlite3.Connection, account: int, by_slice: Mapping[int, int], spent: int
) -> None:
    """Put in what the log has; of several processes that have read it, one does."""
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


class _Sums:
    """What a batch of calls adds to each account, so that each is written once."""

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


def _crossed(
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
        share = percent(spent, budget.limit_nanousd)
        reached = max((each for each in budget.warn_at if each <= share), default=0)
        if reached > warned:
            connection.execute("UPDATE accounts SET warned = ? WHERE id = ?", (reached, account))
            window = Window(start / 1000, until / 1000)
            yield Crossing(Held(budget, value), reached, Use(spent, reserved, doubt), window)


def percent(spent: int, limit: int) -> int:
    """Return how much of a limit is spent, in whole percent, rounded down."""
    return spent * 100 // limit if limit else 100


@contextmanager
def opened(path: Path, log: Path) -> Iterator[Ledger]:
    """Open the accounts for a block."""
    with closing(Ledger(path, log)) as ledger:
        yield ledger
