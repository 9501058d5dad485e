"""Bodies as chains of parts: written once, counted by reference, and taken away when nothing refers to them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Sequence

from llmitm.wire.bodies import Piece

_ROOT = 0
_MOST_REMEMBERED = 50_000
_HASH_BYTES = 16


class Bodies:
    """Write pieces and remember the latest, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._nodes: OrderedDict[tuple[int, bytes], tuple[int, int]] = OrderedDict()
        self._new_refs: Counter[int] = Counter()

    def forget(self) -> None:
        """Forget everything remembered: a transaction was rolled back, or rows were removed."""
        self._nodes.clear()
        self._new_refs.clear()

    def add(
        self, pieces: Sequence[Piece], searched: frozenset[int] = frozenset()
    ) -> list[list[tuple[int, int]]]:
        """Write the pieces of a body; return each one's chain as (node, part).

        `searched` are the pieces whose parts are put into the full-text index.
        """
        chains = []
        for number, piece in enumerate(pieces):
            chain, parent = [], _ROOT
            for text in piece.parts:
                node, part = self._node(parent, text, number in searched)
                chain.append((node, part))
                parent = node
            self._new_refs[parent] += 1
            chains.append(chain)
        return chains

    def flush(self) -> None:
        """Write the reference counts of this transaction."""
        if self._new_refs:
            self._connection.executemany(
                "UPDATE nodes SET refs = refs + ? WHERE id = ?",
                [(count, node) for node, count in self._new_refs.items()],
            )
            self._new_refs.clear()

    def _node(self, parent: int, text: str, searched: bool) -> tuple[int, int]:
        raw = text.encode("utf-8", "surrogatepass")
        key = (parent, hashlib.blake2b(raw, digest_size=_HASH_BYTES).digest())
        known = self._nodes.get(key)
        if known is not None:
            self._nodes.move_to_end(key)
            return known
        part = self._part(key[1], text, searched)
        row = self._connection.execute(
            "INSERT INTO nodes (parent_id, part_id) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id",
            (parent, part),
        ).fetchone()
        if row is not None:
            self._connection.execute("UPDATE parts SET refs = refs + 1 WHERE id = ?", (part,))
            if parent != _ROOT:
                self._new_refs[parent] += 1
        else:
            row = self._connection.execute(
                "SELECT id FROM nodes WHERE parent_id = ? AND part_id = ?", (parent, part)
            ).fetchone()
        found = self._nodes[key] = (row[0], part)
        if len(self._nodes) > _MOST_REMEMBERED:
            self._nodes.popitem(last=False)
        return found

    def _part(self, digest: bytes, text: str, searched: bool) -> int:
        connection = self._connection
        text = text.encode("utf-8", "replace").decode()  # SQLite's text holds no lone surrogates
        row = connection.execute(
            "INSERT INTO parts (hash, text, searched) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
            (digest, text, searched),
        ).fetchone()
        if row is not None:
            part: int = row[0]
        else:
            part, was_searched = connection.execute(
                "SELECT id, searched FROM parts WHERE hash = ?", (digest,)
            ).fetchone()
            if was_searched or not searched:
                return part
            connection.execute("UPDATE parts SET searched = 1 WHERE id = ?", (part,))
        if searched:
            connection.execute(
                "INSERT INTO search (rowid, text) SELECT id, text FROM part_text WHERE id = ?",
                (part,),
            )
        return part


def release(connection: sqlite3.Connection, pieces: str | None) -> None:
    """Give up a body's chains; nodes and parts that nothing refers to any more are removed."""
    for head in json.loads(pieces) if pieces else ():
        node = head
        while node != _ROOT:
            row = connection.execute(
                "UPDATE nodes SET refs = refs - 1 WHERE id = ? RETURNING refs, parent_id, part_id",
                (node,),
            ).fetchone()
            if row is None or row[0] > 0:
                break
            connection.execute("DELETE FROM nodes WHERE id = ?", (node,))
            _release_part(connection, row[2])
            node = row[1]


def _release_part(connection: sqlite3.Connection, part: int) -> None:
    refs, searched = connection.execute(
        "UPDATE parts SET refs = refs - 1 WHERE id = ? RETURNING refs, searched", (part,)
    ).fetchone()
    if refs > 0:
        return
    if searched:
        connection.execute(
            "INSERT INTO search (search, rowid, text) SELECT 'delete', id, text FROM part_text WHERE id = ?",
            (part,),
        )
    connection.execute("DELETE FROM parts WHERE id = ?", (part,))
