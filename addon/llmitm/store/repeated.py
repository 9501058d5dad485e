"""Requests that were asked before, word by word: what a cache of answers would have answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from llmitm.store import sums
from llmitm.store.filters import Filter


class Asked(NamedTuple):
    """A call, and whether the same was asked and answered not long before."""

    provider: str
    model: str
    tokens: int
    cost_nanousd: int | None
    repeats: bool


def asked(connection: sqlite3.Connection, wanted: Filter, lifetime_ms: int) -> Iterator[Asked]:
    """Yield calls in the order of time. An answer is kept for so long after it came, and only one that ended well.

    Bodies are stored by their content, so the same request is the same row of numbers. What our cache takes as equal
    although it is written otherwise counts as different here, so it finds at least this.
    """
    where, values = sums.where(connection, wanted)
    query = f"""SELECT provider, coalesce(model, ''), started_at, coalesce(latency_ms, 0), outcome,
        counted * (coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), cost_nanousd,
        method, host, path, request, request_marks, response IS NOT NULL
    FROM calls JOIN bodies ON call_key = key
    WHERE request IS NOT NULL AND method = 'POST' AND cache IS NOT 'hit' AND operation NOT IN ('batch', 'file', 'realtime')
        AND {where} ORDER BY started_at"""
    kept: dict[int, int] = {}
    for row in connection.execute(query, values):
        provider, model, began, lasted, outcome, tokens, cost, *request, answered = row
        name = hash(tuple(request))
        since = kept.get(name)
        repeats = since is not None and since <= began < since + lifetime_ms
        if not repeats and outcome == "ok" and answered:
            kept[name] = began + lasted
        yield Asked(provider, model, tokens, cost, repeats)
