"""The full-text index: filled in batches behind the writer, since a small transaction of its own costs it most.

Parts up to the number kept under `searched_to` in `upkeep` are in the index; a search looks through the rest itself.
"""

from __future__ import annotations

import sqlite3

_PARTS_A_STEP = 1_000
_STATE = "searched_to"


def searched_to(connection: sqlite3.Connection) -> int:
    """Return the number of the last part that was looked at for the index."""
    row = connection.execute("SELECT value FROM upkeep WHERE name = ?", (_STATE,)).fetchone()
    return row[0] if row else 0


def step(connection: sqlite3.Connection) -> bool:
    """Put the next parts into the index; return whether there may be more. Raises `sqlite3.Error`."""
    done = searched_to(connection)
    last, count = connection.execute(
        "SELECT max(id), count(*) FROM (SELECT id FROM parts WHERE id > ? ORDER BY id LIMIT ?)",
        (done, _PARTS_A_STEP),
    ).fetchone()
    if last is None:
        return False
    connection.execute(
        "INSERT INTO search (rowid, text) SELECT id, text FROM part_text"
        " WHERE id IN (SELECT id FROM parts WHERE id > ? AND id <= ? AND searched)",
        (done, last),
    )
    connection.execute("INSERT OR REPLACE INTO upkeep VALUES (?, ?)", (_STATE, last))
    return bool(count == _PARTS_A_STEP)


def add_late(connection: sqlite3.Connection, part: int) -> None:
    """Let a part be found that was written before without."""
    connection.execute("UPDATE parts SET searched = 1 WHERE id = ?", (part,))
    if part <= searched_to(connection):
        connection.execute(
            "INSERT INTO search (rowid, text) SELECT id, text FROM part_text WHERE id = ?", (part,)
        )


def remove(connection: sqlite3.Connection, part: int) -> None:
    """Take a part out, which is still in `parts`: the index asks for the text that it was given."""
    if part <= searched_to(connection):
        connection.execute(
            "INSERT INTO search (search, rowid, text) SELECT 'delete', id, text FROM part_text WHERE id = ?",
            (part,),
        )
