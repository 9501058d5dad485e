"""Bodies as chains of parts: written once, counted by reference, and taken away when nothing refers to them.

A body is a JSON list. A number in it is the last node of a chain, whose parts are read from its first node on; a text
in it is itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring

from llmitm.store import search
from llmitm.wire.bodies import split, split_answer

_ROOT = 0
_MOST_REMEMBERED = 50_000
_HASH_BYTES = 16
_SHORT = 24
"""Characters up to which a text between chains is kept in the list: a reference would be no shorter."""
_LONG_ANSWER = 64
"""Characters from which a reference to what was answered is shorter than the text."""
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')

SAID, UNDECODABLE = 1, 2
"""Kinds of parts that are searched: JSON whose texts are what was said, and JSON whose texts are no Unicode."""
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)


@dataclass(slots=True)
class Stored:
    """Where the bodies of a call are: the columns of `bodies`."""

    request: str | None = None
    request_marks: str | None = None
    response: str | None = None
    prompt_part_id: int | None = None
    answer_part_id: int | None = None
    answer_node_id: int | None = None
    turns_node_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Node:
    id: int
    part_id: int


class Bodies:
    """Write bodies and remember the latest nodes, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._nodes: OrderedDict[tuple[int, bytes], _Node] = OrderedDict()
        self._more_refs: Counter[int] = Counter()

    def forget(self) -> None:
        """Forget everything remembered: a transaction was rolled back, or rows were removed."""
        self._nodes.clear()
        self._more_refs.clear()

    def request(self, text: str, stored: Stored) -> list[int]:
        """Write a request, return the nodes of its conversation that were there before, the latest first."""
        cut = split(_storable(text))
        if cut.prompt is None and len(cut.pieces) == 1:
            cut.prompt = 0  # not a body with turns: all of it is what was asked
        places: list[int | str] = []
        known: list[int] = []
        for number, piece in enumerate(cut.pieces):
            if piece.key is None and number != cut.prompt and len(piece.parts[0]) <= _SHORT:
                places.append(piece.parts[0])
                continue
            searched = number in (cut.turns, cut.prompt)
            chain, new = self._chain(piece.parts, searched)
            places.append(chain[-1].id)
            if number == cut.prompt:
                stored.prompt_part_id = chain[cut.asked].part_id
            if number == cut.turns:
                stored.turns_node_id = chain[-1].id
                known = [node.id for node in reversed(chain[: len(chain) - new])]
        stored.request = _list(places)
        if cut.marks:
            stored.request_marks = json.dumps(cut.marks)
        return known

    def response(self, text: str, said: str | None, stored: Stored) -> None:
        """Write a response. What was said is a part of its own, wherever it stands."""
        text = _storable(text)
        cut = split_answer(text, said)
        if cut is not None:
            before, literal, after = cut
            node = self._chain([literal], True)[0][0]
            stored.response = _list([before, node.id, after])
            stored.answer_part_id = node.part_id
            return
        stored.response = _list([text])
        self.answer(said, stored)

    def answer(self, said: str | None, stored: Stored) -> None:
        """Write what was said beside the body: in several blocks of it, or not in it at all."""
        if said is not None:
            node = self._chain([_storable(encode_basestring(said))], True)[0][0]
            stored.answer_part_id, stored.answer_node_id = node.part_id, node.id

    def flush(self) -> None:
        """Write the reference counts of this transaction."""
        if self._more_refs:
            self._connection.executemany(
                "UPDATE nodes SET refs = refs + ? WHERE id = ?",
                [(count, node) for node, count in self._more_refs.items()],
            )
            self._more_refs.clear()

    def _chain(self, parts: Sequence[str], searched: bool) -> tuple[list[_Node], int]:
        """Return the nodes of a chain that a body refers to, and how many of them, at its end, are new."""
        nodes: list[_Node] = []
        parent, new = _ROOT, 0
        last = len(parts) - 1
        for number, text in enumerate(parts):
            digest = _digest(text)
            node = self._nodes.get((parent, digest)) if new == 0 else None
            if node is not None:
                self._nodes.move_to_end((parent, digest))
            else:
                is_new = new > 0
                above = parent
                texts = [(text, searched)]
                if searched and number < last:
                    texts = self._shared(text, digest)
                for piece, says in texts:
                    node, piece_is_new = self._node(above, piece, says, is_new)
                    if piece_is_new and not is_new and above != _ROOT:
                        self._more_refs[above] += 1
                    is_new = is_new or piece_is_new
                    above = node.id
                assert node is not None
                self._remember((parent, digest), node)
                new += is_new
            nodes.append(node)
            parent = node.id
        if new == 0:
            self._more_refs[parent] += 1
        return nodes, new

    def _shared(self, text: str, digest: bytes) -> list[tuple[str, bool]]:
        """Cut a message at a text that is stored already: what was answered comes back in the next request.

        Returns the pieces, each with whether it is to be searched.
        """
        literal = max(_STRING.findall(text), key=len, default="")
        is_answer = len(literal) >= _LONG_ANSWER and self._is_part(_digest(literal))
        if not is_answer or self._is_part(digest):
            return [(text, True)]
        before, _, after = text.partition(literal)
        return [(before, False), (literal, True), (after, len(after) > _SHORT)]

    def _is_part(self, digest: bytes) -> bool:
        query = "SELECT 1 FROM parts WHERE hash = ?"
        return self._connection.execute(query, (digest,)).fetchone() is not None

    def _node(self, parent: int, text: str, searched: bool, below_new: bool) -> tuple[_Node, bool]:
        """Return a node, and whether it had to be written.

        Each is written with the one reference that it is written for: its child, or the body that ends with it.
        """
        part, is_new = self._part(_digest(text), text, searched)
        if not is_new:
            if not below_new:
                row = self._connection.execute(
                    "SELECT id FROM nodes WHERE part_id = ? AND parent_id = ?", (part, parent)
                ).fetchone()
                if row is not None:
                    return _Node(row[0], part), False
            self._connection.execute("UPDATE parts SET refs = refs + 1 WHERE id = ?", (part,))
        cursor = self._connection.execute(
            "INSERT INTO nodes (parent_id, part_id, refs) VALUES (?, ?, 1)", (parent, part)
        )
        assert cursor.lastrowid is not None
        return _Node(cursor.lastrowid, part), True

    def _remember(self, key: tuple[int, bytes], node: _Node) -> None:
        self._nodes[key] = node
        if len(self._nodes) > _MOST_REMEMBERED:
            self._nodes.popitem(last=False)

    def _part(self, digest: bytes, text: str, searched: bool) -> tuple[int, bool]:
        """Return a part, and whether it had to be written, then with one reference."""
        connection = self._connection
        kind = _kind(text) if searched else 0
        cursor = connection.execute(_ADD_PART, (digest, text, kind))
        if cursor.rowcount == 1:
            assert cursor.lastrowid is not None
            return cursor.lastrowid, True
        part: int
        part, was_searched = connection.execute(
            "SELECT id, searched FROM parts WHERE hash = ?", (digest,)
        ).fetchone()
        if searched and not was_searched:
            search.add_late(connection, part, kind)
        return part, False


_ADD_PART = "INSERT OR IGNORE INTO parts (hash, text, refs, searched) VALUES (?, ?, 1, ?)"


def release(connection: sqlite3.Connection, call_key: int) -> None:
    """Give up the bodies of a call; nodes and parts that nothing refers to any more are removed."""
    row = connection.execute(
        "DELETE FROM bodies WHERE call_key = ? RETURNING request, response, answer_node_id",
        (call_key,),
    ).fetchone()
    if row is None:
        return
    request, response, answer = row
    for place in (*json.loads(request or "[]"), *json.loads(response or "[]"), answer):
        if isinstance(place, int):
            _release_node(connection, place)


def _release_node(connection: sqlite3.Connection, node: int) -> None:
    while node != _ROOT:
        refs, parent, part = connection.execute(
            "UPDATE nodes SET refs = refs - 1 WHERE id = ? RETURNING refs, parent_id, part_id",
            (node,),
        ).fetchone()
        if refs > 0:
            return
        connection.execute("DELETE FROM nodes WHERE id = ?", (node,))
        _release_part(connection, part)
        node = parent


def _release_part(connection: sqlite3.Connection, part: int) -> None:
    refs, searched = connection.execute(
        "UPDATE parts SET refs = refs - 1 WHERE id = ? RETURNING refs, searched", (part,)
    ).fetchone()
    if refs > 0:
        return
    if searched:
        search.remove(connection, part)
    connection.execute("DELETE FROM parts WHERE id = ?", (part,))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).digest()


def _kind(text: str) -> int:
    # The plain look-up spares long texts the slow one.
    has_surrogate = "\\ud" in text or "\\uD" in text
    return UNDECODABLE if has_surrogate and _LONE_SURROGATE.search(text) else SAID


def _storable(text: str) -> str:
    """Return text that SQLite can hold: lone surrogates, which JSON may have as escapes, become escapes again."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _list(places: Sequence[int | str]) -> str:
    """Return a JSON list; the json module takes several times as long for one so short."""
    texts = (str(place) if isinstance(place, int) else encode_basestring(place) for place in places)
    return f"[{','.join(texts)}]"
