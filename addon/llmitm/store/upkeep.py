"""How far each piece of upkeep has come: a number by its name, in the log itself."""

from __future__ import annotations

import sqlite3


def state(connection: sqlite3.Connection, name: str) -> int:
    """Return how far a piece of upkeep has come; 0 where it has not begun."""
    row = connection.execute("SELECT value FROM upkeep WHERE name = ?", (name,)).fetchone()
    return row[0] if row else 0


def keep(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Take note of how far a piece of upkeep has come."""
    connection.execute("INSERT OR REPLACE INTO upkeep VALUES (?, ?)", (name, value))
