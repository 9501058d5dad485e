"""Write finished calls: one transaction a batch, with the sums and limits that go with them.

The writer owns its connection; whoever calls it does so from one thread.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmitm.calls import Finished
from llmitm.store import rollups
from llmitm.store.bodies import Bodies
from llmitm.store.database import open_writable
from llmitm.store.retention import Retention
from llmitm.store.rows import Value, row
from llmitm.wire.bodies import Piece, split, split_answer

_MOST_THREADS = 20_000
_MADE_BY_SQLITE = ("key", "attempts")


class Writer:
    """The log's writing side. Raises `StoreError`, `sqlite3.Error`, `OSError` when it is opened."""

    def __init__(self, path: Path, retention: Retention | None = None) -> None:
        self.db = open_writable(path)
        self._connection: sqlite3.Connection = self.db.conn
        self._bodies = Bodies(self._connection)
        self._threads: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._retention = retention or Retention()
        columns = [name for name in self.db["calls"].columns_dict if name not in _MADE_BY_SQLITE]
        names = ", ".join(f":{name}" for name in columns)
        self._insert = f"INSERT INTO calls ({', '.join(columns)}) VALUES ({names})"
        self._empty: dict[str, Value] = dict.fromkeys(columns)

    def write(self, batch: Sequence[Finished], losses: Mapping[str, int] | None = None) -> None:
        """Write calls, and what was lost since the last time. Raises `sqlite3.Error`; then nothing was written."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for call in batch:
                self._add(call)
            self._bodies.flush()
            rollups.add(connection, batch)
            _rate_limits(connection, batch)
            _losses(connection, losses or {})
            connection.execute("COMMIT")
        except BaseException:
            self._forget()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def tidy(self) -> bool:
        """Do one step of retention; return whether there is more to do. Raises `sqlite3.Error`."""
        if not self._retention.limited:
            return False
        removed = self._retention.step(self._connection, time.time())
        if removed:
            self._forget()
        return removed

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self._connection.close()

    def _forget(self) -> None:
        self._bodies.forget()
        self._threads.clear()

    def _add(self, call: Finished) -> None:
        columns = row(call)
        turns = self._request(call, columns) if call.request_text is not None else []
        if call.response_text is not None:
            self._response(call, columns)
        parent = self._parent(turns)
        if parent is not None:
            columns["parent_key"], columns["thread_key"] = parent
        cursor = self._connection.execute(self._insert, {**self._empty, **columns})
        key = cursor.lastrowid
        assert key is not None
        if turns:
            thread = parent[1] if parent else key
            if parent is None:
                self._connection.execute(
                    "UPDATE calls SET thread_key = ? WHERE key = ?", (key, key)
                )
            self._threads[turns[-1]] = (key, thread)
            if len(self._threads) > _MOST_THREADS:
                self._threads.popitem(last=False)
        if call.identity.properties:
            self._connection.executemany(
                "INSERT OR REPLACE INTO properties (call_key, name, value) VALUES (?, ?, ?)",
                [(key, name, value) for name, value in call.identity.properties.items()],
            )

    def _request(self, call: Finished, columns: dict[str, Value]) -> list[int]:
        """Write the request's body; return the nodes of its turns."""
        assert call.request_text is not None
        cut = split(call.request_text)
        if cut.prompt is None and len(cut.pieces) == 1:
            cut.prompt = 0  # not a body with turns: all of it is what was asked
        searched = frozenset(number for number in (cut.turns, cut.prompt) if number is not None)
        chains = self._bodies.add(cut.pieces, searched)
        columns["request_pieces"] = json.dumps([chain[-1][0] for chain in chains])
        if cut.prompt is not None:
            columns["prompt_part_id"] = chains[cut.prompt][-1][1]
        if cut.turns is None:
            return []
        turns = [node for node, _ in chains[cut.turns]]
        columns["turns_node_id"] = turns[-1]
        return turns

    def _response(self, call: Finished, columns: dict[str, Value]) -> None:
        assert call.response_text is not None
        said = call.answer.text
        pieces, which = split_answer(call.response_text, said)
        chains = self._bodies.add(pieces, frozenset() if which is None else frozenset({which}))
        heads = [chain[-1][0] for chain in chains]
        columns["response_pieces"] = json.dumps(heads)
        if which is not None:
            columns["response_part_id"] = chains[which][-1][1]
        elif said:
            # Said in several blocks: the text has a part of its own, kept beside the body.
            text = Piece([json.dumps(said, ensure_ascii=False)])
            node, part = self._bodies.add([text], frozenset({0}))[0][-1]
            columns["response_part_id"], columns["response_text_node_id"] = part, node

    def _parent(self, turns: Sequence[int]) -> tuple[int, int] | None:
        """Return the call that this one goes on from, and the first of their thread.

        It is the latest call whose conversation is a beginning of this one's, or the same.
        """
        for node in reversed(turns):
            known = self._threads.get(node)
            if known is None:
                known = self._connection.execute(
                    "SELECT key, coalesce(thread_key, key) FROM calls WHERE turns_node_id = ? ORDER BY key DESC LIMIT 1",
                    (node,),
                ).fetchone()
            if known is not None:
                return (known[0], known[1])
        return None


def _rate_limits(connection: sqlite3.Connection, batch: Sequence[Finished]) -> None:
    latest = {}
    for call in batch:
        seen = int(call.exchange.started_at * 1000)
        for limit in call.rate_limits:
            key = (
                call.endpoint.provider,
                call.identity.api_key_fingerprint or "",
                call.model or "",
                limit.name,
            )
            resets = None if limit.resets_at is None else int(limit.resets_at * 1000)
            latest[key] = (*key, limit.limit, limit.remaining, resets, seen)
    if latest:
        connection.executemany(
            "INSERT OR REPLACE INTO rate_limits VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            list(latest.values()),
        )


def _losses(connection: sqlite3.Connection, losses: Mapping[str, int]) -> None:
    now = int(time.time() * 1000)
    connection.executemany(
        "INSERT INTO losses VALUES (?1, ?2, ?3)"
        " ON CONFLICT DO UPDATE SET count = count + ?2, last_at = ?3",
        [(reason, count, now) for reason, count in losses.items()],
    )
