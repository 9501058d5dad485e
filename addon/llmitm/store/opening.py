"""Open the log for readers, who cannot change it. Without sqlite_utils, which takes longer to load than most questions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from llmitm.errors import StoreError

APPLICATION_ID = 0x6C6C6D69
"""`llmi`, in the header of the file: what another program made is never touched."""
BUSY_MS = 5_000


def open_readable(path: Path) -> sqlite3.Connection:
    """Open the log to read. Raises `StoreError` where there is none, or where it is not ours."""
    if not path.exists():
        raise StoreError(f"{path}: there is no log yet; `llmitm run -- COMMAND` makes one")
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000
    )
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(f"{path} is not a log of llmitm")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{path}: {error}") from error
    except StoreError:
        connection.close()
        raise
    return connection
