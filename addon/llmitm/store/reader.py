"""Questions to the log, by name. The command line asks here, and nobody writes SQL elsewhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from llmitm.basis import Basis
from llmitm.errors import LlmitmError
from llmitm.policy.alert_conditions import Condition
from llmitm.policy.alerting import Measured
from llmitm.store import (
    alert_measures,
    continued,
    facts,
    filters,
    limits,
    priced,
    repeated,
    retries,
    sessions,
    sums,
    threads,
)
from llmitm.store.continued import Pair
from llmitm.store.filters import Filter
from llmitm.store.opening import open_readable
from llmitm.store.priced import Bases
from llmitm.store.repeated import Asked
from llmitm.store.sessions import Session
from llmitm.store.sums import Sums as Sums
from llmitm.store.threads import Thread
from llmitm.store.views import SUMS

type Record = dict[str, Any]
"""A row by its column names."""

_LATEST = 100_000
_JSON = (
    "tool_calls",
    "notes",
    "cost_parts",
    "other_units",
    "model_names",
    "attributes",
    "measured",
    "usage_by_model",
)
"""Columns that hold JSON."""


class Reader:
    """A log, opened to read. Raises `StoreError` where there is none, or where it is not ours."""

    def __init__(self, path: Path) -> None:
        self._connection = open_readable(path)

    @property
    def connection(self) -> sqlite3.Connection:
        """For the other modules of the store."""
        return self._connection

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def recent(self, wanted: Filter, limit: int) -> list[Record]:
        """Return the latest calls that fit, the latest first."""
        keys = filters.find(self._connection, wanted, limit)
        return [self._record(key) for key in keys]

    def last_key(self) -> int:
        """Return the key of the call that ended last; 0 where there is none."""
        query = "SELECT coalesce(max(key), 0) FROM calls"
        return int(self._connection.execute(query).fetchone()[0])

    def call(self, name: str) -> Record:
        """Return a call by its id, an unambiguous end of it, `last`, or `@N` for the Nth latest.

        Raises `LlmitmError` where there is none, or more than one.
        """
        if name == "last" or (name.startswith("@") and name[1:].isdecimal()):
            number = 1 if name == "last" else int(name[1:])
            keys = filters.find(self._connection, Filter(), number) if number else []
            if len(keys) < number or not keys:
                raise LlmitmError(f"the log has no call {name}")
            return self._record(keys[-1])
        rows = self._ending(name.upper())
        if len(rows) != 1:
            found = "more than one call ends" if rows else "no call has an id that ends"
            raise LlmitmError(f"{found} in {name!r}; llmitm ls --ids shows them")
        return self._record(rows[0][0])

    def _ending(self, end: str) -> list[tuple[int]]:
        """Return the keys of up to two calls whose ids end so, looking among the latest ones first."""
        for limit in (_LATEST, -1):
            rows = self._connection.execute(
                "SELECT key FROM calls WHERE id IN (SELECT id FROM (SELECT id FROM calls ORDER BY id DESC LIMIT ?2)"
                " WHERE substr(id, -length(?1)) = ?1 LIMIT 2)",
                (end, limit),
            ).fetchall()
            if rows:
                break
        return rows

    def before(self, call: Record) -> str | None:
        """Return the call of the same session and model before one that goes on from none; None where there is none."""
        query = """SELECT id FROM calls INDEXED BY calls_by_session
            WHERE session_id = ? AND started_at < ? AND model IS ? ORDER BY started_at DESC LIMIT 1"""
        values = (call["session_id"], call["started_at"], call["model"])
        row = self._connection.execute(query, values).fetchone()
        return row[0] if row else None

    def bodies(self, identity: str) -> tuple[str | None, str | None]:
        """Return request and response of a call, whole."""
        row = self._connection.execute(
            "SELECT request_body, response_body FROM exchanges WHERE id = ?", (identity,)
        ).fetchone()
        return (row[0], row[1]) if row else (None, None)

    def logged(self, wanted: Filter, most: int | None = None, *, bodies: bool = True) -> Logged:
        """Return the calls that fit, the latest `most` of them, each with its properties and bodies."""
        keys = priced.keys(self._connection, wanted)
        if most is not None:
            keys = keys[max(len(keys) - most, 0) :]
        return Logged(self, keys, bodies)

    def conversation(self, name: str, *, bodies: bool = True) -> Logged:
        """Return the calls of a conversation, named as `call` takes the name of any of them."""
        query = "SELECT key FROM calls WHERE thread_key = ? ORDER BY key"
        rows = self._connection.execute(query, (self.call(name)["thread_key"],))
        return Logged(self, [key for (key,) in rows], bodies)

    def _whole(self, key: int, bodies: bool) -> Record | None:
        try:
            record = {**self._record(key), "properties": self.properties(key)}
        except LookupError:
            return None
        if bodies:
            record["request_body"], record["response_body"] = self.bodies(record["id"])
        return record

    def properties(self, key: int) -> dict[str, str]:
        """Return the properties of a call."""
        query = "SELECT name, value FROM properties WHERE call_key = ? ORDER BY name"
        return dict(self._connection.execute(query, (key,)).fetchall())

    def sums(self, wanted: Filter, by: Sequence[str] = (), *, utc: bool = False) -> list[Sums]:
        """Return sums by some dimensions, the dearest first. Raises `LlmitmError` for an unknown dimension.

        Hours and days are those of the local time zone, or of UTC.
        """
        return sums.sums(self._connection, wanted, by, utc=utc)

    def by_minute(self, wanted: Filter, minutes: int) -> list[int]:
        """Return the cost (nano-dollars) of each minute from `wanted.since` on, which must be set."""
        assert wanted.since is not None
        first = filters.milliseconds(wanted.since) // 60_000
        where, values = sums.where(self._connection, wanted)
        query = (
            "SELECT started_at / 60000, sum(coalesce(cost_nanousd, 0)) FROM calls INDEXED BY calls_by_time"
            f" WHERE {where} GROUP BY 1"
        )
        found = dict(self._connection.execute(query, values).fetchall())
        return [found.get(first + number, 0) for number in range(1, minutes + 1)]

    def quantiles(self, wanted: Filter, shares: Sequence[float]) -> list[int | None]:
        """Return latencies (ms) that these shares of the calls did not exceed."""
        where, values = sums.where(self._connection, wanted)
        query = f"SELECT latency_ms FROM calls WHERE {where} AND latency_ms IS NOT NULL ORDER BY latency_ms"
        times = [row[0] for row in self._connection.execute(query, values)]
        return [times[round(share * (len(times) - 1))] if times else None for share in shares]

    def sessions(self, wanted: Filter, limit: int) -> list[Session]:
        """Return sessions that have calls which fit, the latest first."""
        return sessions.latest(self._connection, wanted, limit)

    def sessions_named(self, names: Sequence[str]) -> list[Session]:
        """Return sessions by their ids; those that there are."""
        return sessions.read(self._connection, names)

    def threads(self, wanted: Filter, limit: int) -> list[Thread]:
        """Return conversations that have calls which fit, the latest first, each with those that it began."""
        return threads.latest(self._connection, wanted, limit)

    def threads_of(self, session: str) -> list[Thread]:
        """Return the conversations of a session, each with those that it began."""
        return threads.of_session(self._connection, session)

    def thread(self, key: int) -> list[Record]:
        """Return the calls of a conversation, by the key of its first one, the latest first."""
        query = "SELECT key FROM calls WHERE thread_key = ? ORDER BY key DESC"
        return [
            self._record(each) for (each,) in self._connection.execute(query, (key,)).fetchall()
        ]

    def measured(self, condition: Condition, since: datetime) -> list[Measured]:
        """Return what an alert watches, since then, group by group."""
        return alert_measures.measure(self._connection, condition, since)

    def backup(self, target: sqlite3.Connection) -> None:
        """Copy the log, whole even while somebody writes to it."""
        self._connection.backup(target)

    @property
    def version(self) -> int:
        """Another number after others have written to the log."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def basis(self, key: int) -> Basis | None:
        """Return what the price of a call rests on; None where it does not tell."""
        if not priced.has_bases(self._connection):
            return None
        (row,) = priced.rows(self._connection, [key], facts.COLUMNS)
        return facts.read(row)

    def bases(self, wanted: Filter) -> Bases:
        """Return calls, each with what its price rests on."""
        priced.require_bases(self._connection)
        return Bases(self._connection, wanted)

    def continued(self, wanted: Filter, limit: int) -> list[Pair]:
        """Return the latest calls that fit and go on from another, each with that one."""
        priced.require_bases(self._connection)
        return list(continued.pairs(self._connection, wanted, limit))

    def asked(self, wanted: Filter, lifetime_ms: int) -> Iterator[Asked]:
        """Yield calls in the order of time, each with whether the same was answered not longer before than this."""
        return repeated.asked(self._connection, wanted, lifetime_ms)

    def unpriced(self, wanted: Filter) -> list[Record]:
        """Return calls without a price, summed up by provider, model and reason."""
        priced.require_bases(self._connection)
        return _records(priced.unpriced(self._connection, wanted))

    def differing(self, wanted: Filter, share: float) -> list[Record]:
        """Return calls whose provider charged more or less than the table says, by provider and model."""
        priced.require_bases(self._connection)
        return _records(priced.differing(self._connection, wanted, share))

    def models(self) -> list[tuple[str, str]]:
        """Return the providers and models that were ever logged."""
        query = "SELECT DISTINCT provider, model FROM hours ORDER BY provider, model"
        return self._connection.execute(query).fetchall()

    def totals(self) -> list[Sums]:
        """Return the sums of all that was ever logged, by provider and model."""
        amounts = ", ".join(f"sum({name})" for name in SUMS)
        query = f"SELECT provider, model, {amounts} FROM hours GROUP BY provider, model"
        return [
            Sums((provider, model), *counts)
            for provider, model, *counts in self._connection.execute(query)
        ]

    def latencies(self, after: int) -> Iterator[tuple[int, str, str | None, int | None]]:
        """Yield key, provider, model and latency (ms) of the calls that ended after one, by its key."""
        query = "SELECT key, provider, model, latency_ms FROM calls WHERE key > ? ORDER BY key"
        yield from self._connection.execute(query, (after,))

    def rate_limits(self) -> list[Record]:
        """Return the latest word of each limit."""
        query = """SELECT provider, api_key, model, name, period, "limit", remaining, lowest, resets_at,
                max(seen_at) AS seen_at, status
            FROM rate_limits GROUP BY provider, api_key, model, name, period ORDER BY provider, model, name, period"""
        return _records(self._connection.execute(query))

    def limits(self, wanted: Filter, now: float) -> list[Record]:
        """Return what is known of each limit at a time, with how long it lasts at the present rate of use."""
        limits.require_waits(self._connection)
        return limits.latest(self._connection, wanted, now)

    def throttling(self, wanted: Filter, by: Sequence[str], *, utc: bool = False) -> list[Record]:
        """Return refusals for a rate limit and waits, by some dimensions."""
        limits.require_waits(self._connection)
        return _records(limits.throttling(self._connection, wanted, by, utc=utc))

    def retries(self, wanted: Filter, by: Sequence[str], *, utc: bool = False) -> list[Record]:
        """Return what was tried again, by whom, and what came of it, by some dimensions."""
        limits.require_waits(self._connection)
        return _records(retries.by(self._connection, wanted, by, utc=utc))

    def losses(self) -> dict[str, int]:
        """Return what the log lacks, by reason."""
        return {
            row[0]: row[1] for row in self._connection.execute("SELECT reason, count FROM losses")
        }

    def attempts(self, call_id: str) -> list[Record]:
        """Return each time that a call was tried, in order."""
        query = "SELECT * FROM attempts WHERE call_id = ? ORDER BY number"
        return _records(self._connection.execute(query, (call_id,)))

    def query(self, sql: str) -> list[Record]:
        """Return the rows of a query of the user's. Raises `sqlite3.Error`."""
        return _records(self._connection.execute(sql))

    def _record(self, key: int) -> Record:
        record = _records(self._connection.execute(_RECORD, (key,)))[0]
        for name in _JSON:
            if name in record:
                record[name] = json.loads(record[name]) if record[name] else None
        return record


class Logged:
    """Calls in the order in which they ended, read one by one as they are asked for."""

    def __init__(self, reader: Reader, keys: Sequence[int], bodies: bool) -> None:
        self._reader = reader
        self._keys = keys
        self._bodies = bodies

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Record]:
        for key in self._keys:
            record = self._reader._whole(key, self._bodies)
            if record is not None:  # else it was removed since its key was read
                yield record


def _records(cursor: sqlite3.Cursor) -> list[Record]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a log for the length of a block."""
    reader = Reader(path)
    try:
        yield reader
    finally:
        reader.close()


_RECORD = """SELECT calls.*,
    (SELECT text FROM part_text WHERE id = bodies.prompt_part_id) AS prompt,
    (SELECT text FROM part_text WHERE id = bodies.answer_part_id) AS response,
    (SELECT id FROM calls AS earlier WHERE earlier.key = calls.parent_key) AS parent_id
FROM calls LEFT JOIN bodies ON bodies.call_key = calls.key WHERE calls.key = ?"""


def as_mapping(row: Sums) -> Mapping[str, int]:
    """Return sums by their names, for JSON."""
    return {name: getattr(row, name) for name in SUMS}
