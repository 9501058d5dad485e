"""Which alerts fire, the messages that are to be sent, and who sends them, in a small SQLite file of its own.

A change of state and the message about it are one transaction, so neither is there without the other. The file is not
the log's: what the recorder remembers of the log it has to forget whenever somebody else writes there.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from llmitm.alerts.messages import Message, load
from llmitm.policy.alerting import Firing, Group

State = Literal["waiting", "sent", "given up", "muted"]

HELD_SECONDS = 60.0
"""For so long one process is the only one that sends, after it last said that it is there."""
_KEEP_SECONDS = 90 * 86_400
_CREATE = (
    """CREATE TABLE IF NOT EXISTS firing (
    alert TEXT NOT NULL,
    condition TEXT NOT NULL, -- an alert with another condition is another alert
    "group" TEXT NOT NULL, -- JSON list of values
    since REAL NOT NULL, -- seconds since the epoch, as all times here
    window_from REAL NOT NULL,
    PRIMARY KEY (alert, "group")
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    alert TEXT NOT NULL,
    kind TEXT NOT NULL, -- firing, resolved
    channel TEXT NOT NULL,
    state TEXT NOT NULL, -- waiting, sent, given up, muted
    created_at REAL NOT NULL,
    body TEXT NOT NULL, -- JSON
    tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL,
    ended_at REAL, -- when it was sent, or given up
    answer TEXT -- what the receiver said last
)""",
    "CREATE INDEX IF NOT EXISTS messages_waiting ON messages (channel, alert, number) WHERE state = 'waiting'",
    "CREATE TABLE IF NOT EXISTS mutes (alert TEXT PRIMARY KEY, until REAL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS holder (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, until REAL NOT NULL)",
)


class NotHeldError(Exception):
    """Another process has taken over."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and the channel that it goes out by."""

    message: Message
    channel: str
    state: State = "waiting"
    tries: int = 0
    next_at: float = 0.0
    ended_at: float | None = None
    answer: str | None = None


class Change(NamedTuple):
    """What has become of an alert."""

    alert: str
    condition: str
    firing: Mapping[Group, Firing]
    messages: Sequence[Outgoing]


class AlertFile:
    """The file. Each method opens it anew, so any thread may call. They raise `sqlite3.Error` and `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = f"{socket.gethostname()} {os.getpid()} {os.urandom(4).hex()}"

    def hold(self, now: float) -> bool:
        """Be the one process that watches and sends, or go on to be; return whether it is."""
        with self._writing() as database:
            found = database.execute("SELECT name, until FROM holder").fetchone()
            if found and found[0] != self._name and found[1] > now and _may_live(found[0]):
                return False
            until = now + HELD_SECONDS
            database.execute("INSERT OR REPLACE INTO holder VALUES (1, ?, ?)", (self._name, until))
        return True

    def let_go(self) -> None:
        """Let another process take over."""
        if self.path.exists():
            with self._writing() as database:
                database.execute("DELETE FROM holder WHERE name = ?", (self._name,))

    def firing(self, alert: str, condition: str) -> dict[Group, Firing]:
        """Return the groups that fire."""
        query = 'SELECT "group", since, window_from FROM firing WHERE alert = ? AND condition = ?'
        with self._open() as database:
            rows = database.execute(query, (alert, condition)).fetchall()
        return {tuple(json.loads(group)): Firing(*times) for group, *times in rows}

    def change(self, change: Change, now: float) -> None:
        """Take down which groups of an alert fire and what is to be said of it. Raises `NotHeldError`."""
        with self._writing() as database:
            held = database.execute(
                "SELECT 1 FROM holder WHERE name = ? AND until > ?", (self._name, now)
            ).fetchone()
            if held is None:
                raise NotHeldError
            database.execute("DELETE FROM firing WHERE alert = ?", (change.alert,))
            database.executemany(
                "INSERT INTO firing VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        change.alert,
                        change.condition,
                        json.dumps(group),
                        each.since,
                        each.window_from,
                    )
                    for group, each in change.firing.items()
                ],
            )
            for each in change.messages:
                row = (each.message.id, change.alert, each.message.kind, each.channel, each.state)
                ended = None if each.state == "waiting" else now
                database.execute(
                    "INSERT INTO messages (id, alert, kind, channel, state, created_at, body, next_at, ended_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, now, each.message.dump(), now, ended),
                )

    def keep_only(self, conditions: Mapping[str, str]) -> None:
        """Forget the state of alerts that are no longer there, or have another condition, and very old messages."""
        with self._writing() as database:
            for alert, condition in database.execute(
                "SELECT DISTINCT alert, condition FROM firing"
            ).fetchall():
                if conditions.get(alert) != condition:
                    database.execute("DELETE FROM firing WHERE alert = ?", (alert,))
            database.execute(
                "DELETE FROM messages WHERE state != 'waiting' AND created_at <"
                " (SELECT max(created_at) FROM messages) - ?",
                (_KEEP_SECONDS,),
            )

    def waiting(self) -> list[Outgoing]:
        """Return the first waiting message of each alert on each channel, those that are due first at the front."""
        query = (
            f"SELECT {_COLUMNS} FROM messages WHERE number IN (SELECT min(number) FROM messages"
            " WHERE state = 'waiting' GROUP BY channel, alert) ORDER BY next_at, number"
        )
        with self._open() as database:
            return [_outgoing(row) for row in database.execute(query)]

    def sent(self, identity: str, channel: str, answer: str, now: float) -> None:
        """Take down that a message has arrived; what waits for the same channel is due."""
        with self._writing() as database:
            database.execute(
                "UPDATE messages SET state = 'sent', tries = tries + 1, ended_at = ?, answer = ? WHERE id = ?",
                (now, answer, identity),
            )
            database.execute(
                "UPDATE messages SET next_at = min(next_at, ?) WHERE channel = ? AND state = 'waiting'",
                (now, channel),
            )

    def failed(self, identity: str, answer: str, next_at: float | None, now: float) -> None:
        """Take down that a message has not arrived, and when it is tried again; None gives it up."""
        with self._writing() as database:
            database.execute(
                "UPDATE messages SET tries = tries + 1, answer = ?1, next_at = coalesce(?2, next_at),"
                " state = iif(?2 IS NULL, 'given up', state), ended_at = iif(?2 IS NULL, ?3, NULL) WHERE id = ?4",
                (answer, next_at, now, identity),
            )

    def history(self, limit: int) -> list[Outgoing]:
        """Return the latest messages, the latest first."""
        query = f"SELECT {_COLUMNS} FROM messages ORDER BY number DESC LIMIT ?"
        with self._open() as database:
            return [_outgoing(row) for row in database.execute(query, (limit,))]

    def mute(self, alert: str, until: float | None) -> None:
        """Send nothing of an alert until then; None is until `unmute`."""
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO mutes VALUES (?, ?)", (alert, until))

    def unmute(self, alert: str) -> bool:
        """Send messages of an alert again; return whether it was muted."""
        with self._writing() as database:
            return database.execute("DELETE FROM mutes WHERE alert = ?", (alert,)).rowcount > 0

    def mutes(self, now: float) -> dict[str, float | None]:
        """Return the alerts that are muted, each with its end."""
        query = "SELECT alert, until FROM mutes WHERE until IS NULL OR until > ?"
        with self._open() as database:
            return dict(database.execute(query, (now,)).fetchall())

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.touch(mode=0o600)
        with closing(sqlite3.connect(self.path, timeout=5, isolation_level=None)) as database:
            if database.execute("PRAGMA user_version").fetchone()[0] == 0:
                database.execute("PRAGMA journal_mode = WAL")
                for statement in _CREATE:
                    database.execute(statement)
                database.execute("PRAGMA user_version = 1")
            yield database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


_COLUMNS = "body, channel, state, tries, next_at, ended_at, answer"


def _outgoing(row: tuple[str, str, State, int, float, float | None, str | None]) -> Outgoing:
    return Outgoing(load(row[0]), *row[1:])


def _may_live(name: str) -> bool:
    """Tell whether the process of this name may run still; those of other machines may."""
    host, pid, _ = name.rsplit(" ", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
