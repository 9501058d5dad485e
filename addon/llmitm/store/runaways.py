"""Runs that ran away, and those whose calls are held, in a small SQLite file of its own.

The file is not the log's: what the recorder remembers of the log it has to forget whenever somebody else writes there.
The command line and the dashboard let a run go on by a change here, which the proxy sees within a second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from llmitm.policy.runaways import Action, Kind

_KEEP_SECONDS = 90 * 86_400
_HELD_SECONDS = 86_400.0
"""A run that nobody lets go on is forgotten after so long: by then it is another one."""
_CREATE = (
    """CREATE TABLE IF NOT EXISTS runaways (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    kind TEXT NOT NULL, -- spend, calls, tool_call, prompt
    at REAL NOT NULL, -- seconds since the epoch, as all times here
    words TEXT NOT NULL,
    look TEXT NOT NULL, -- options of llmitm ls
    action TEXT NOT NULL, -- warn, hold
    resumed_at REAL -- when somebody let it go on
)""",
    "CREATE INDEX IF NOT EXISTS runaways_held ON runaways (run) WHERE action = 'hold' AND resumed_at IS NULL",
)
_COLUMNS = "run, kind, at, words, look, action, resumed_at"
_HELD = "action = 'hold' AND resumed_at IS NULL AND at > ?"


class Runaway(NamedTuple):
    """What was seen of a run."""

    run: str
    kind: Kind
    at: float
    words: str
    look: str
    """The options by which `llmitm ls` shows its calls."""
    action: Action
    resumed_at: float | None = None


class RunawayFile:
    """The file. Each method opens it anew, so any thread may call. They raise `sqlite3.Error` and `OSError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, found: Runaway) -> None:
        """Take down what was seen; of a run that is to be held, that it is."""
        with self._open() as database:
            database.execute("DELETE FROM runaways WHERE at < ?", (found.at - _KEEP_SECONDS,))
            database.execute(
                f"INSERT INTO runaways ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", found
            )

    def newest(self, most: int) -> list[Runaway]:
        """Return what was seen last, the newest first."""
        return self._found(f"SELECT {_COLUMNS} FROM runaways ORDER BY number DESC LIMIT ?", most)

    def since(self, at: float) -> list[Runaway]:
        """Return what was seen from a time on."""
        return self._found(f"SELECT {_COLUMNS} FROM runaways WHERE at >= ? ORDER BY number", at)

    def holds(self, now: float) -> list[Runaway]:
        """Return the runs that are held, each with what was seen of it first."""
        query = (
            f"SELECT {_COLUMNS}, min(number) FROM runaways WHERE {_HELD} GROUP BY run ORDER BY 8"
        )
        return self._found(query, now - _HELD_SECONDS)

    def resume(self, run: str | None, now: float) -> list[str]:
        """Let a run go on, or all of them for None; return those that were held."""
        if not self._path.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                f"UPDATE runaways SET resumed_at = ? WHERE {_HELD} AND (? IS NULL OR run = ?) RETURNING run",
                (now, now - _HELD_SECONDS, run, run),
            ).fetchall()
        return sorted({name for (name,) in rows})

    def _found(self, query: str, value: float) -> list[Runaway]:
        if not self._path.exists():
            return []
        with self._open() as database:
            return [Runaway(*row[:7]) for row in database.execute(query, (value,))]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.touch(mode=0o600)
        with closing(sqlite3.connect(self._path, timeout=5)) as database, database:
            database.execute("PRAGMA journal_mode = WAL")
            for statement in _CREATE:
                database.execute(statement)
            yield database
