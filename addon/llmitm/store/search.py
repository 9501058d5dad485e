"""The full-text index: filled in batches behind the writer, since a small transaction of its own costs it most.

Parts up to the number kept under `searched_to` in `upkeep` are in the index; a search looks through the rest itself.
"""

from __future__ import annotations

import re
import sqlite3

_PARTS_A_STEP = 1_000
_STATE = "searched_to"


def searched_to(connection: sqlite3.Connection) -> int:
    """Return the number of the last part that was looked at for the index."""
    row = connection.execute("SELECT value FROM upkeep WHERE name = ?", (_STATE,)).fetchone()
    return row[0] if row else 0


def step(connection: sqlite3.Connection) -> bool:
    """Put the next parts into the index; return whether there may be more. Raises `sqlite3.Error`."""
    done = searched_to(connection)
    last, count = connection.execute(
        "SELECT max(id), count(*) FROM (SELECT id FROM parts WHERE id > ? ORDER BY id LIMIT ?)",
        (done, _PARTS_A_STEP),
    ).fetchone()
    if last is None:
        return False
    connection.execute(
        "INSERT INTO search (rowid, text) SELECT id, text FROM part_text"
        " WHERE id IN (SELECT id FROM parts WHERE id > ? AND id <= ? AND searched)",
        (done, last),
    )
    connection.execute("INSERT OR REPLACE INTO upkeep VALUES (?, ?)", (_STATE, last))
    return bool(count == _PARTS_A_STEP)


def add_late(connection: sqlite3.Connection, part: int, kind: int) -> None:
    """Let a part be found that was written before without."""
    connection.execute("UPDATE parts SET searched = ? WHERE id = ?", (kind, part))
    if part <= searched_to(connection):
        connection.execute(
            "INSERT INTO search (rowid, text) SELECT id, text FROM part_text WHERE id = ?", (part,)
        )


def remove(connection: sqlite3.Connection, part: int) -> None:
    """Take a part out, which is still in `parts`: the index asks for the text that it was given."""
    if part <= searched_to(connection):
        connection.execute(
            "INSERT INTO search (search, rowid, text) SELECT 'delete', id, text FROM part_text WHERE id = ?",
            (part,),
        )


def calls(connection: sqlite3.Connection, text: str, limit: int) -> list[int]:
    """Return the keys of calls whose prompt or answer has all words of a text, the latest first."""
    query = _query(text)
    if query is None:
        return []
    parts = [
        row[0]
        for row in connection.execute(
            "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?",
            (query, limit),
        )
    ]
    parts += _not_yet_indexed(connection, text)
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS hits (part_id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM hits")
    connection.executemany("INSERT OR IGNORE INTO hits VALUES (?)", [(part,) for part in parts])
    return [row[0] for row in connection.execute(_CALLS_WITH_HITS, (limit,))]


def _query(text: str) -> str | None:
    """Return the words of a person as a query of FTS5: each a phrase, so that no sign in it is an operator."""
    phrases = []
    for match in _WORD.finditer(text):
        phrase = (match[1] if match[1] is not None else match[2].rstrip("*")).replace('"', '""')
        beginning = match[2] is not None and match[2].endswith("*")
        if phrase:
            phrases.append(f'"{phrase}"{"*" if beginning else ""}')
    return " ".join(phrases) or None


def _not_yet_indexed(connection: sqlite3.Connection, text: str) -> list[int]:
    words = [(match[1] or match[2] or "").rstrip("*").casefold() for match in _WORD.finditer(text)]
    rows = connection.execute(
        "SELECT id, text FROM part_text WHERE id IN (SELECT id FROM parts WHERE id > ? AND searched)",
        (searched_to(connection),),
    )
    return [part for part, said in rows if all(word in said.casefold() for word in words)]


_WORD = re.compile(r'"([^"]*)"|(\S+)')

# A message that was neither asked last nor answered (one of several tool results) is found in the first call that
# sent it: the nearest call that ends below its node. What an assistant said was found as an answer.
_CALLS_WITH_HITS = """
WITH RECURSIVE below(node, depth) AS (
    SELECT nodes.id, 0 FROM hits JOIN nodes USING (part_id) JOIN parts ON parts.id = hits.part_id
    WHERE instr(substr(parts.text, 1, 80), '"assistant"') = 0
        AND instr(substr(parts.text, 1, 80), '"model"') = 0
    UNION
    SELECT (SELECT min(id) FROM nodes WHERE parent_id = below.node), depth + 1 FROM below
    WHERE depth < 8 AND NOT EXISTS (SELECT 1 FROM bodies WHERE turns_node_id = below.node)
)
SELECT call_key FROM bodies WHERE prompt_part_id IN (SELECT part_id FROM hits)
UNION SELECT call_key FROM bodies WHERE answer_part_id IN (SELECT part_id FROM hits)
UNION SELECT (SELECT min(call_key) FROM bodies WHERE turns_node_id = node) AS call_key FROM below
    WHERE call_key IS NOT NULL
ORDER BY call_key DESC LIMIT ?
"""
