"""Write finished calls: one transaction a batch, with the sums and limits that go with them.

The writer owns its connection; whoever calls it does so from one thread. What it remembers of the file is forgotten
as soon as another process has written to it.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from llmitm.calls import Finished
from llmitm.store import jobs, rollups, search
from llmitm.store.bodies import Bodies, Stored
from llmitm.store.database import open_writable
from llmitm.store.mixes import Mixes
from llmitm.store.retention import Retention
from llmitm.store.rollups import DAY_MS
from llmitm.store.rows import Row, attempts, clean, row, storable

_MOST_LINKS = 50_000
_LONGEST_WALK = 1_000
"""Turns that are looked at to find the call that a call goes on from."""
_LONGEST_RETRY_MS = 120_000
"""After this long the same question is a new one, unless the client says otherwise: agents wait up to 40 s."""


class _Link(NamedTuple):
    """A call, what it goes on from, and the first of their conversation."""

    key: int
    parent: int | None
    thread: int
    failed_at: int | None = None
    """When it ended, where it failed (ms): the same question soon after it is a retry of the client's."""
    retry_of: int | None = None


class Writer:
    """The log's writing side. Raises `StoreError`, `sqlite3.Error`, `OSError` when it is opened."""

    def __init__(self, path: Path, retention: Retention | None = None) -> None:
        self.db = open_writable(path)
        self._path = path
        self._file = path.stat().st_ino
        self._connection: sqlite3.Connection = self.db.conn
        self._bodies = Bodies(self._connection)
        self._mixes = Mixes(self._connection)
        self._links: OrderedDict[int, _Link | None] = OrderedDict()
        self._spellings: dict[str, str] = {}
        self._version = 0
        self._retention = retention or Retention()

    def write(
        self, batch: Sequence[Finished], losses: Mapping[str, int] | None = None
    ) -> Sequence[Finished]:
        """Write calls, and what was lost since the last time; return the calls as they count.

        Raises `sqlite3.Error`, or `OSError` where the file is gone; then nothing was written.
        """
        with self._transaction() as connection:
            key = connection.execute("SELECT coalesce(max(key), 0) FROM calls").fetchone()[0]
            counted = [
                jobs.settle(connection, call, key + number) for number, call in enumerate(batch, 1)
            ]
            rows = [self._add(call, key + number) for number, call in enumerate(counted, 1)]
            self._bodies.flush()
            summands = rollups.summands(rows)
            rollups.add(connection, summands)
            self._mixes.add(summands)
            _rate_limits(connection, batch)
            if losses:
                _losses(connection, losses)
        for number, call in enumerate(counted, 1):
            call.key = key + number
        return counted

    def tidy(self) -> bool:
        """Do one step of upkeep; return whether there is more to do. Raises `sqlite3.Error`, `OSError`."""
        with self._transaction() as connection:
            if search.step(connection) or self._mixes.step():
                return True
            removed = self._retention.step(connection, time.time())
            if removed:
                self._forget()
        has_free_pages = self._retention.limited and self._retention.give_back(self._connection)
        return removed or has_free_pages

    def older_than(self, days: int, *, bodies: bool = False) -> int:
        """Return how many calls, or bodies, are older than so many days."""
        what = "bodies JOIN calls ON key = call_key" if bodies else "calls"
        query = f"SELECT count(*) FROM {what} WHERE started_at < ?"
        before = int(time.time() * 1000) - days * DAY_MS
        return int(self._connection.execute(query, (before,)).fetchone()[0])

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with suppress(sqlite3.Error):
            # SQLite does so itself, but not for a file that was moved away in the meantime.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        if self._path.stat().st_ino != self._file:
            raise FileNotFoundError(f"{self._path} was moved away")
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._forget()
                self._version = version
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            self._forget()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _forget(self) -> None:
        self._bodies.forget()
        self._mixes.forget()
        self._links.clear()
        self._spellings.clear()

    def _add(self, call: Finished, key: int) -> tuple[Row, Mapping[str, str]]:
        stored = Stored()
        known: list[int] = []
        if call.request_text is not None:
            known = self._bodies.request(call.request_text, stored)
        if call.response_text is not None:
            self._bodies.response(call.response_text, call.answer.text, stored)
        link = self._link(key, stored.turns_node_id, known, call)
        columns = {
            "key": key,
            **row(call),
            "parent_key": link.parent,
            "thread_key": link.thread,
            "retry_of_key": link.retry_of,
        }
        try:
            self._insert("calls", columns)
        except (OverflowError, UnicodeEncodeError):
            columns = clean(columns)
            self._insert("calls", columns)
        if stored.request is not None or stored.response is not None:
            self._insert_bodies(key, stored)
        if call.attempts:
            self._connection.executemany(
                "INSERT INTO earlier_attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(key, *each) for each in attempts(call)],
            )
        properties = call.identity.properties
        if properties:
            properties = {self._spelling(name): value for name, value in properties.items()}
            self._connection.executemany(
                "INSERT OR REPLACE INTO properties (call_key, name, value) VALUES (?, ?, ?)",
                [(key, name, value) for name, value in properties.items()],
            )
        return columns, properties

    def _insert(self, table: str, columns: Row) -> None:
        self._connection.execute(_insertion(table, tuple(columns)), tuple(columns.values()))

    def _insert_bodies(self, key: int, stored: Stored) -> None:
        columns = {name: getattr(stored, name) for name in Stored.__slots__}
        columns["call_key"] = key
        try:
            self._insert("bodies", columns)
        except UnicodeEncodeError:
            self._insert("bodies", clean(columns))

    def _link(self, key: int, turns: int | None, known: Sequence[int], call: Finished) -> _Link:
        """Return what a call goes on from: the latest whose conversation is a beginning of this one's."""
        started_at = int(call.exchange.started_at * 1000)
        failed_at = None
        if call.outcome == "error":
            failed_at = started_at + int(call.exchange.latency_ms or 0)
        link = _Link(key, None, key, failed_at)
        previous_response = call.prompt.previous_response_id
        before = self._responded(previous_response) if previous_response else None
        for node in known[:_LONGEST_WALK] if before is None else ():
            found = self._ended_at(node)
            if found is not None and node == turns:
                # The same question again goes on from what the first one went on from.
                thread = found.thread if found.parent is not None else key
                link = _Link(key, found.parent, thread, failed_at, _retried(found, call))
                break
            if found is not None:
                before = found
                break
        if before is not None:
            link = _Link(key, before.key, before.thread, failed_at)
        if turns is not None:
            self._remember(turns, link)
        return link

    def _ended_at(self, node: int) -> _Link | None:
        """Return the latest call whose conversation ends at a node."""
        if node in self._links:
            return self._links[node]
        found = self._connection.execute(
            "SELECT key, parent_key, thread_key,"
            " iif(outcome = 'error', started_at + coalesce(latency_ms, 0), NULL)"
            " FROM bodies JOIN calls ON key = call_key"
            " WHERE turns_node_id = ? ORDER BY call_key DESC LIMIT 1",
            (node,),
        ).fetchone()
        return self._remember(node, _Link(*found) if found else None)

    def _remember(self, node: int, link: _Link | None) -> _Link | None:
        self._links[node] = link
        if len(self._links) > _MOST_LINKS:
            self._links.popitem(last=False)
        return link

    def _responded(self, response_id: str) -> _Link | None:
        """Return the call that a stored response came from."""
        found = self._connection.execute(
            "SELECT key, parent_key, thread_key FROM calls WHERE response_id = ?"
            " AND response_id GLOB 'resp_*' AND counted ORDER BY key DESC LIMIT 1",
            (response_id,),
        ).fetchone()
        return _Link(*found) if found else None

    def _spelling(self, name: str) -> str:
        """Return a property's name in the spelling that came first."""
        known = self._spellings.get(name.lower())
        if known is None:
            found = self._connection.execute(
                "SELECT name FROM properties WHERE name = ? LIMIT 1", (name,)
            ).fetchone()
            known = self._spellings[name.lower()] = found[0] if found else name
        return known


def _retried(before: _Link, call: Finished) -> int | None:
    """Return the key of the call before, where this one asks the same because that one failed."""
    if before.failed_at is None:
        return None
    waited = int(call.exchange.started_at * 1000) - before.failed_at
    return before.key if call.client_retry or 0 <= waited <= _LONGEST_RETRY_MS else None


@cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


def _rate_limits(connection: sqlite3.Connection, batch: Sequence[Finished]) -> None:
    latest: dict[tuple[str | int, ...], tuple[Any, ...]] = {}
    for call in batch:
        seen = int(call.exchange.started_at * 1000)
        for limit in call.rate_limits:
            key = (
                call.endpoint.provider,
                call.identity.api_key_fingerprint or "",
                call.model or "",
                limit.name,
                limit.period or "",
                seen // 3_600_000,
            )
            before = latest.get(key)
            lowest = [left for left in (before and before[2], limit.remaining) if left is not None]
            resets = None if limit.resets_at is None else int(limit.resets_at * 1000)
            latest[key] = (
                limit.limit,
                limit.remaining,
                min(lowest) if lowest else None,
                resets,
                seen,
                limit.status,
            )
    if latest:
        limits = [tuple(map(storable, (*key, *state))) for key, state in latest.items()]
        connection.executemany(_ADD_LIMIT, limits)


def _losses(connection: sqlite3.Connection, losses: Mapping[str, int]) -> None:
    now = int(time.time() * 1000)
    connection.executemany(
        "INSERT INTO losses VALUES (?1, ?2, ?3)"
        " ON CONFLICT DO UPDATE SET count = count + ?2, last_at = ?3",
        [(reason, count, now) for reason, count in losses.items()],
    )


_ADD_LIMIT = """INSERT INTO rate_limits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET "limit" = excluded."limit", remaining = excluded.remaining,
    lowest = coalesce(min(lowest, excluded.lowest), lowest, excluded.lowest),
    resets_at = excluded.resets_at, seen_at = excluded.seen_at, status = excluded.status"""
