"""The full-text index: filled in batches behind the writer, since a small transaction of its own costs it most.

Parts up to the number kept under `searched_to` in `upkeep` are in the index; a search looks through the rest itself.
"""

from __future__ import annotations

import re
import sqlite3

from llmitm.store import upkeep

_PARTS_A_STEP = 1_000
_PAGES_A_STEP = 200
_STATE = "searched_to"


def searched_to(connection: sqlite3.Connection) -> int:
    """Return the number of the last part that was looked at for the index."""
    return upkeep.state(connection, _STATE)


def configure(connection: sqlite3.Connection) -> None:
    """Let the index be merged by `step` alone, a bounded piece at a time: left to itself it takes a second at once."""
    for name, value in (("automerge", 0), ("usermerge", 4), ("crisismerge", 100)):
        connection.execute("INSERT INTO search (search, rank) VALUES (?, ?)", (name, value))


def step(connection: sqlite3.Connection) -> bool:
    """Put the next parts into the index, or merge what is in it; return whether there may be more to do.

    Raises `sqlite3.Error`.
    """
    done = searched_to(connection)
    last, count = connection.execute(
        "SELECT max(id), count(*) FROM (SELECT id FROM parts WHERE id > ? ORDER BY id LIMIT ?)",
        (done, _PARTS_A_STEP),
    ).fetchone()
    if last is not None:
        connection.execute(
            "INSERT INTO search (rowid, text) SELECT id, text FROM part_text"
            " WHERE id IN (SELECT id FROM parts WHERE id > ? AND id <= ? AND searched)",
            (done, last),
        )
        upkeep.keep(connection, _STATE, last)
        if count == _PARTS_A_STEP:
            return True
    changes = connection.total_changes
    connection.execute("INSERT INTO search (search, rank) VALUES ('merge', ?)", (_PAGES_A_STEP,))
    # https://sqlite.org/fts5.html#the_merge_command (read 2026-11-24): fewer than two when nothing was merged.
    return connection.total_changes - changes >= 2


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
    keys = {row[0] for row in connection.execute(_CALLS_WITH_HITS, (limit,))}
    return sorted(keys.union(_brought_along(connection)), reverse=True)[:limit]


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
    """Return the parts that the index has not seen yet and that have all words of a text."""
    phrases = [_plain(match[0]) for match in _WORD.finditer(text)]
    rows = connection.execute(
        "SELECT id, text FROM part_text WHERE id IN (SELECT id FROM parts WHERE id > ? AND searched)",
        (searched_to(connection),),
    )
    return [part for part, said in rows if all(phrase in _plain(said) for phrase in phrases)]


def _plain(text: str) -> str:
    return _SIGNS.sub(" ", text).strip().casefold()


_SIGNS = re.compile(r"[\W_]+")
_WORD = re.compile(r'"([^"]*)"|(\S+)')

_CALLS_WITH_HITS = """
SELECT call_key FROM bodies WHERE prompt_part_id IN (SELECT part_id FROM hits)
UNION SELECT call_key FROM bodies WHERE answer_part_id IN (SELECT part_id FROM hits)
ORDER BY call_key DESC LIMIT ?
"""

# A message that was neither asked last nor answered (one of several tool results) belongs to the call that brought it:
# the nodes of a call are numbered in a row, the last turn last. What an assistant said was found as an answer.
_BROUGHT_ALONG = """
SELECT nodes.id, (SELECT min(turns_node_id) FROM bodies WHERE turns_node_id >= nodes.id)
FROM hits CROSS JOIN nodes ON nodes.part_id = hits.part_id CROSS JOIN parts ON parts.id = hits.part_id
WHERE instr(substr(parts.text, 1, 80), '"assistant"') = 0 AND instr(substr(parts.text, 1, 80), '"model"') = 0
    AND NOT EXISTS (SELECT 1 FROM bodies WHERE turns_node_id = nodes.id)
    AND NOT EXISTS (SELECT 1 FROM bodies WHERE answer_part_id = hits.part_id)
ORDER BY nodes.id DESC LIMIT 200
"""
_IS_ABOVE = """
WITH RECURSIVE above(node) AS (
    SELECT ?2 UNION ALL SELECT parent_id FROM above JOIN nodes ON id = node WHERE node > ?1
)
SELECT min(call_key) FROM bodies WHERE turns_node_id = ?2 AND EXISTS (SELECT 1 FROM above WHERE node = ?1)
"""


def _brought_along(connection: sqlite3.Connection) -> list[int]:
    """Return the keys of calls that brought along a message among the hits, before the one that was asked last."""
    keys = []
    for node, turn in connection.execute(_BROUGHT_ALONG).fetchall():
        if turn is not None:
            (key,) = connection.execute(_IS_ABOVE, (node, turn)).fetchone()
            keys += [] if key is None else [key]
    return keys
