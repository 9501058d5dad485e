"""Open the log for the writer, who makes and migrates it."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlite_utils import Database

from llmitm.errors import StoreError
from llmitm.store.migrations import migrations
from llmitm.store.opening import APPLICATION_ID, BUSY_MS

_LARGEST_WAL = 32 * 1024 * 1024
_CACHE_KB = 16 * 1024


def open_writable(path: Path) -> Database:
    """Open the log to write, make it where it is missing. Raises `StoreError`, `sqlite3.Error`, `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)
    try:
        _claim(connection, path)
        db = Database(connection)
        db.enable_wal()
        _migrate(db)
        connection.execute("PRAGMA synchronous = NORMAL")  # with WAL, a crash of ours loses nothing
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_WAL}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        connection.isolation_level = None
    except BaseException:
        connection.close()
        raise
    return db


def _migrate(db: Database) -> None:
    """Bring the schema up to date; of several processes that begin at once, one does."""
    if not migrations.pending(db):
        return
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(db)
        db.conn.execute("COMMIT")
    except BaseException:
        db.conn.rollback()
        raise


def _make_private(path: Path) -> None:
    """Close the file to others, before anything is in it; SQLite gives -wal and -shm the same mode."""
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        mode = path.stat().st_mode
        if mode & 0o077:
            with suppress(PermissionError):  # it is somebody else's, who may share it as they like
                path.chmod(mode & 0o700)


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Mark a new file as ours; refuse one that is not."""
    try:
        found = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise StoreError(f"{path} is not a database; llmitm leaves it alone") from error
    if found == APPLICATION_ID:
        return
    if found or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{path} is a database of another program; llmitm leaves it alone")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first page is written
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
