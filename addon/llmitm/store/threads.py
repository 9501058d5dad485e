"""Calls that belong together: the conversation of a call, and runs, sessions and conversations as wholes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llmitm.store import filters
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader, Record

Kind = Literal["run", "session", "thread"]
KINDS: tuple[Kind, ...] = ("run", "session", "thread")
_COLUMNS: Mapping[Kind, str] = {"run": "run_id", "session": "session_id", "thread": "thread_key"}
MOST_LOOKED_AT = 10_000
"""The latest calls among which groups are looked for."""
MOST_SHOWN = 1_000
"""Calls of one group that are shown, the first."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Calls beside a call, by their ids."""

    thread: str
    """The first call of its conversation."""
    earlier: str | None
    later: str | None
    parent: str | None
    children: Sequence[str]
    """Calls that go on from it: more than one where the conversation branches."""


def neighbours(log: Reader, call: Record) -> Neighbours:
    """Return what comes before and after a call in its conversation."""
    connection = log.db.conn

    def one(condition: str, *values: object) -> str | None:
        row = connection.execute(
            f"SELECT id FROM calls WHERE {condition} LIMIT 1", values
        ).fetchone()
        return row[0] if row else None

    thread, key = call["thread_key"], call["key"]
    return Neighbours(
        one("key = ?", thread) or call["id"],
        one("thread_key = ? AND key < ? ORDER BY key DESC", thread, key),
        one("thread_key = ? AND key > ? ORDER BY key", thread, key),
        call["parent_id"],
        [
            row[0]
            for row in connection.execute(
                "SELECT id FROM calls WHERE thread_key = ? AND parent_key = ? ORDER BY key LIMIT 50",
                (thread, key),
            )
        ],
    )


def groups(log: Reader, kind: Kind, wanted: Filter, most: int) -> tuple[list[Record], int | None]:
    """Return the groups of the latest calls that fit, the latest first, each whole.

    The second value is when the earliest call that was looked at began (ms), where there are more.
    """
    connection = log.db.conn
    column = _COLUMNS[kind]
    keys = filters.find(connection, wanted, MOST_LOOKED_AT)
    found = connection.execute(
        f"SELECT {column}, max(started_at) AS latest FROM calls WHERE key IN ({_numbers(keys)})"
        f" AND {column} IS NOT NULL GROUP BY {column} ORDER BY latest DESC",
    ).fetchall()
    more = None
    if len(found) > most:
        more = found[most - 1][1]
    elif len(keys) == MOST_LOOKED_AT:
        (more,) = connection.execute(
            "SELECT started_at FROM calls WHERE key = ?", (keys[-1],)
        ).fetchone()
    return [_group(log, kind, value) for value, _ in found[:most]], more


_GROUP = """SELECT count(*) AS calls, min(started_at) AS began, max(started_at + coalesce(latency_ms, 0)) AS ended,
    sum(outcome = 'error') AS errors, sum(cost_nanousd) AS cost_nanousd, sum(cost_nanousd IS NULL) AS unpriced,
    sum(counted * coalesce(input_tokens, 0)) AS input_tokens,
    sum(counted * coalesce(output_tokens, 0)) AS output_tokens,
    sum(counted * coalesce(cached_input_tokens, 0)) AS cached_input_tokens,
    max(input_tokens) AS largest_context, count(DISTINCT thread_key) AS threads,
    group_concat(DISTINCT model) AS models, max(user) AS user, max(session_name) AS session_name, min(key) AS first_key
FROM calls WHERE {} = ?"""


def _group(log: Reader, kind: Kind, value: str | int) -> Record:
    """Return what the calls of a group add up to."""
    connection = log.db.conn
    cursor = connection.execute(_GROUP.format(_COLUMNS[kind]), (value,))
    names = [column[0] for column in cursor.description]
    group = dict(zip(names, cursor.fetchone(), strict=True))
    identity, provider, prompt = connection.execute(
        """SELECT id, provider, (SELECT substr(text, 1, 160) FROM part_text WHERE id = (
            SELECT prompt_part_id FROM bodies WHERE call_key = calls.key)) FROM calls WHERE key = ?""",
        (group["first_key"],),
    ).fetchone() or (None, "", "")
    # A conversation has no name but that of its first call.
    group |= {
        "name": identity if kind == "thread" else value,
        "provider": provider,
        "prompt": prompt,
    }
    group["models"] = (group["models"] or "").split(",")
    return group


def group(log: Reader, kind: Kind, name: str) -> Record | None:
    """Return what the calls of one group add up to; None where there is none."""
    value: str | int = name
    if kind == "thread":
        row = log.db.conn.execute("SELECT thread_key FROM calls WHERE id = ?", (name,)).fetchone()
        if row is None:
            return None
        value = row[0]
    found = _group(log, kind, value)
    return found if found["calls"] else None


def calls(log: Reader, kind: Kind, name: str) -> list[Record]:
    """Return the first calls of a group, in the order in which they began."""
    value = "(SELECT thread_key FROM calls WHERE id = ?)" if kind == "thread" else "?"
    cursor = log.db.conn.execute(
        f"""SELECT key, id, started_at, provider, model, operation, outcome, status, error_type, latency_ms,
            first_content_ms, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, cost_nanousd, cache,
            attempts, tool_calls, thread_key, parent_key, session_path
        FROM calls WHERE {_COLUMNS[kind]} = {value} ORDER BY started_at, key LIMIT {MOST_SHOWN}""",
        (name,),
    )
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _numbers(keys: Sequence[int]) -> str:
    return ", ".join(map(str, keys))
