"""Sums by the day of every mix of what calls are told apart by: what reports by two things at once are made of.

A mix is a user, a client, an operation, how calls ended, and all their properties. Most programs have few, so a day has
some hundred rows where it has thousands of calls. Calls that were logged before there were mixes are added in steps, from
the latest back; `complete_from` tells how far that has come.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmitm.callers import NOT_SUMMED
from llmitm.store import rollups, upkeep
from llmitm.store.rollups import DAY_MS, Difference, Summand
from llmitm.store.rows import Row

_STATE = "mixes_complete_from"
_CALLS_A_STEP = 1_000
_MOST_REMEMBERED = 50_000
_HASH_BYTES = 16
OWN = ("user", "client", "operation", "outcome", "status")
"""Columns of `calls` that a mix has under the same names, beside the properties."""

_NEW = f"INSERT INTO mixes (hash, {', '.join(OWN)}) VALUES (?{', ?' * len(OWN)})"
_ADD = rollups.upsert("mix_days", 4)
_ADJUST = rollups.adjustment("mix_days", ("day", "mix_id", "provider", "model"))


def complete_from(connection: sqlite3.Connection) -> int:
    """Return since when every call is in its mix, ms since the epoch; 0 where all are."""
    return upkeep.state(connection, _STATE)


def are_there(connection: sqlite3.Connection) -> bool:
    """Tell whether a log has mixes: one of an older version gets them as the proxy starts."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'mix_days'"
    return connection.execute(query).fetchone() is not None


def begin(connection: sqlite3.Connection) -> None:
    """Take note of the calls that are in no mix yet, where there are any."""
    (last,) = connection.execute("SELECT max(started_at) FROM calls").fetchone()
    if last is not None:
        upkeep.keep(connection, _STATE, last + 1)


class Mixes:
    """Add calls to their mixes, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ids: OrderedDict[tuple[Any, ...], int] = OrderedDict()

    def forget(self) -> None:
        """Forget everything remembered: a transaction was rolled back, or another process has written."""
        self._ids.clear()

    def add(self, calls: Iterable[Summand]) -> None:
        """Add calls to the sums of their days; those that a later step will find are left to it."""
        since = complete_from(self._connection)
        self._add([call for call in calls if call.row["started_at"] >= since])

    def adjust(self, differences: Iterable[Difference]) -> None:
        """Add to the sums what calls that are in them cost more, or less, by now."""
        since = complete_from(self._connection)
        sums = self._sums(
            (row, properties, more)
            for row, properties, *more in differences
            if row["started_at"] >= since
        )
        changed = [(*amounts, *key) for key, amounts in sums.items()]
        self._connection.executemany(_ADJUST, changed)

    def step(self) -> bool:
        """Add the latest of the calls that are in no mix yet; return whether there may be more."""
        until = complete_from(self._connection)
        if until == 0:
            return False
        oldest = self._connection.execute(
            "SELECT min(started_at) FROM (SELECT started_at FROM calls WHERE started_at < ?"
            " ORDER BY started_at DESC LIMIT ?)",
            (until, _CALLS_A_STEP),
        ).fetchone()[0]
        if oldest is not None:
            self._add(self._logged(oldest, until))
        upkeep.keep(self._connection, _STATE, oldest or 0)
        return oldest is not None

    def _logged(self, since: int, until: int) -> Sequence[Summand]:
        """Return the calls that began between two times (ms)."""
        columns = ", ".join(rollups.COLUMNS)
        cursor = self._connection.execute(
            f"SELECT {columns}, (SELECT json_group_object(name, value) FROM properties WHERE call_key = calls.key)"
            " FROM calls WHERE started_at >= ? AND started_at < ?",
            (since, until),
        )
        rows = [(dict(zip(rollups.COLUMNS, row, strict=False)), row[-1]) for row in cursor]
        return rollups.summands((row, json.loads(properties)) for row, properties in rows)

    def _add(self, calls: Iterable[Summand]) -> None:
        sums = self._sums(calls)
        self._connection.executemany(_ADD, [(*key, *amounts) for key, amounts in sums.items()])

    def _sums(self, calls: Iterable[tuple[Row, Mapping[str, str], Sequence[int]]]) -> rollups.Sums:
        sums: rollups.Sums = {}
        for row, properties, amounts in calls:
            day, mix = row["started_at"] // DAY_MS, self._id(row, properties)
            rollups.add_up(sums, (day, mix, row["provider"], row["model"] or ""), amounts)
        return sums

    def _id(self, row: Row, properties: Mapping[str, str]) -> int:
        """Return the mix of a call, which is written if it is a new one."""
        own = tuple(row[name] for name in OWN)
        kept = sorted(
            (name.lower(), value)
            for name, value in properties.items()
            if name.lower() not in NOT_SUMMED
        )
        told = (own, *kept)
        known = self._ids.get(told)
        if known is None:
            known = self._ids[told] = self._written(own, kept)
            if len(self._ids) > _MOST_REMEMBERED:
                self._ids.popitem(last=False)
        return known

    def _written(
        self, own: Sequence[str | int | None], properties: Sequence[tuple[str, str]]
    ) -> int:
        connection = self._connection
        told = json.dumps([own, properties]).encode()
        digest = hashlib.blake2b(told, digest_size=_HASH_BYTES).digest()
        found = connection.execute("SELECT id FROM mixes WHERE hash = ?", (digest,)).fetchone()
        if found is not None:
            return int(found[0])
        cursor = connection.execute(_NEW, (digest, *own))
        assert cursor.lastrowid is not None
        connection.executemany(
            "INSERT INTO mix_properties VALUES (?, ?, ?)",
            [(cursor.lastrowid, name, value) for name, value in properties],
        )
        return cursor.lastrowid
