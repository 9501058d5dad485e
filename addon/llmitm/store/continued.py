"""Calls that go on from another one, each with it: what a provider's prompt cache should know."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from llmitm.policy.prompt_cache import Call
from llmitm.store import sums
from llmitm.store.filters import Filter

_PAUSE_MS = 3_600_000
"""After this long nothing is surely in any provider's cache."""


class Pair(NamedTuple):
    """A call and the one before it."""

    key: int
    id: str
    thread: str
    before_id: str
    before: Call
    call: Call


def pairs(connection: sqlite3.Connection, wanted: Filter, limit: int) -> Iterator[Pair]:
    """Yield the latest calls that fit and go on from another, the latest first.

    Where a prompt shares no beginning with any before, it is held against the latest of its session that is as long
    or shorter: a change at its very beginning is what breaks a cache most.
    """
    where, values = sums.where(connection, wanted)
    query = f"""SELECT calls.key, calls.id, first.id, before.id,
        before.started_at / 1000.0, before.model, before.input_tokens, coalesce(before.cached_input_tokens, 0),
        coalesce(before.cache_write_1h_tokens, 0), coalesce(before.cache_write_tokens, 0),
        calls.started_at / 1000.0, calls.model, calls.input_tokens, coalesce(calls.cached_input_tokens, 0),
        coalesce(calls.cache_write_1h_tokens, 0), coalesce(calls.cache_write_tokens, 0)
    FROM calls JOIN calls AS first ON first.key = calls.thread_key JOIN calls AS before ON before.key = coalesce(
        calls.parent_key, (
            SELECT earlier.key FROM calls AS earlier INDEXED BY calls_by_session
            WHERE calls.session_id IS NOT NULL AND earlier.session_id = calls.session_id
                AND earlier.key < calls.key AND earlier.model = calls.model AND earlier.outcome = 'ok'
                AND earlier.started_at >= calls.started_at - {_PAUSE_MS}
                AND earlier.input_tokens BETWEEN calls.input_tokens / 2 AND calls.input_tokens
            ORDER BY earlier.key DESC LIMIT 1))
    WHERE calls.outcome = 'ok' AND calls.counted AND calls.operation = 'chat' AND calls.cache IS NOT 'hit'
        AND before.input_tokens >= 1024 AND calls.input_tokens >= 1024 AND calls.usage_source = 'reported' AND {where}
    ORDER BY calls.started_at DESC LIMIT ?"""
    for row in connection.execute(query, [*values, limit]):
        key, name, thread, before_id, *told = row
        at, model, *tokens = told[:6]
        before = Call(at, model or "", *tokens)
        at, model, *tokens = told[6:]
        yield Pair(key, name, thread, before_id, before, Call(at, model or "", *tokens))
