"""What is left of limits, in a small SQLite file of its own, so that a restart of the proxy forgives nothing.

A thread of its own writes it, at most a second behind; a file that cannot be read or written costs only that.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from llmitm.policy.allowance import Level

log = logging.getLogger("llmitm")

_GATHER_SECONDS = 0.5
_CREATE = (
    "CREATE TABLE IF NOT EXISTS levels"
    " (name TEXT PRIMARY KEY, amount REAL NOT NULL, at REAL NOT NULL, full_at REAL NOT NULL) WITHOUT ROWID"
)


class AllowanceFile:
    """The levels on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: dict[str, Level | None] = {}
        self._lock = threading.Lock()
        self._is_wanted = threading.Event()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_down = False

    def load(self, now: float) -> Mapping[str, Level]:
        """Return the levels that are not full by now, and forget the others."""
        if not self._path.exists():
            return {}
        try:
            with closing(self._open()) as database, database:
                database.execute("DELETE FROM levels WHERE full_at <= ?", (now,))
                rows = database.execute("SELECT name, amount, at, full_at FROM levels").fetchall()
        except (sqlite3.Error, OSError) as error:
            log.warning("llmitm: %s: limits begin anew: %s", self._path, error)
            return {}
        return {name: Level(*level) for name, *level in rows}

    def changed(self, name: str, level: Level | None) -> None:
        """Take note of a level; may be called on the event loop."""
        with self._lock:
            self._waiting[name] = level
        if self._thread is None and not self._is_over.is_set():
            self._thread = threading.Thread(target=self._run, name="allowances", daemon=True)
            self._thread.start()
        self._is_wanted.set()

    def close(self) -> None:
        """Write what is still waiting."""
        self._is_over.set()
        self._is_wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._is_wanted.wait()
            self._is_over.wait(_GATHER_SECONDS)
            self._is_wanted.clear()
            self._save()

    def _save(self) -> None:
        with self._lock:
            levels, self._waiting = self._waiting, {}
        try:
            with closing(self._open()) as database, database:
                database.executemany(
                    "INSERT OR REPLACE INTO levels VALUES (?, ?, ?, ?)",
                    [(name, *level) for name, level in levels.items() if level is not None],
                )
                gone = [(name,) for name, level in levels.items() if level is None]
                database.executemany("DELETE FROM levels WHERE name = ?", gone)
        except (sqlite3.Error, OSError) as error:
            if not self._is_down:
                log.warning(
                    "llmitm: %s cannot be written, limits are kept in memory only: %s",
                    self._path,
                    error,
                )
            self._is_down = True
            with self._lock:
                self._waiting = {**levels, **self._waiting}
        else:
            self._is_down = False

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        database = sqlite3.connect(self._path, timeout=5)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(_CREATE)
        except sqlite3.Error:
            database.close()
            raise
        return database
