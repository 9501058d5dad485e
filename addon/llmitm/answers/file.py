"""The answers' file as a file: made, opened, checked and moved aside."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path

APPLICATION_ID = 0x6C6C6D63
"""`llmc`, in the header of the file."""
_VERSION = 1
_BUSY_SECONDS = 5
_LARGEST_WAL = 32 * 1024 * 1024
_BESIDE = ("-wal", "-shm")
_SCHEMA = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    bucket INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT,
    saved_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    used_at REAL NOT NULL,
    hits INTEGER NOT NULL,
    size INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    about BLOB NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (key, bucket)
);
CREATE INDEX answers_used ON answers (used_at, id, size);
"""


class Strange(sqlite3.DatabaseError):
    """The file is a database, but not one of answers as this version writes them."""


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the file to write, make it where it is missing. Raises `sqlite3.Error`, `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # with WAL, a crash of ours loses nothing
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_WAL}")
        _make(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: sqlite3.Connection) -> None:
    """Make the table; of several processes that begin at once, one does."""
    if _is_ours(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ours(connection):
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Tell whether the file is one of answers; False where it is empty. Raises `Strange`."""
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (identity, version) == (APPLICATION_ID, _VERSION):
        return True
    if identity or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise Strange("it is not a file of answers that this version knows")
    return False


def open_readable(path: Path) -> sqlite3.Connection | None:
    """Open the file to read; None where there is none, or nothing in it. Raises `sqlite3.Error`."""
    if not path.exists():
        return None
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        if _is_ours(connection):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def check(connection: sqlite3.Connection) -> None:
    """Raise `Strange` where the file is damaged."""
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise Strange(said)


def move_aside(path: Path) -> Path | None:
    """Give a damaged file another name, so that a new one can be made; return it, None where that failed."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    try:
        path.replace(aside)
    except OSError:
        return None
    for suffix in _BESIDE:
        with suppress(OSError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside
