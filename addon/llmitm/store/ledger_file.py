"""The file of budgets' accounts: an SQLite file that all proxies of a home share, and whose triggers reserve."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

WAIT_SECONDS = 10
"""How long a thread waits where another process is writing."""

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


def connect(path: Path, wait: float) -> sqlite3.Connection:
    """Open the file, make it where it is missing; `wait` seconds where another process is writing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(
        path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
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


def has_definitions(path: Path) -> bool:
    """Return whether budgets were made by hand; True where that cannot be read, so that who reads them says why."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            query = "SELECT EXISTS (SELECT 1 FROM definitions)"
            return bool(connection.execute(query).fetchone()[0])
    except sqlite3.Error:
        return True


@contextmanager
def at_once() -> Iterator[None]:
    """Raise `Busy` where another process is writing."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy from error
        raise
