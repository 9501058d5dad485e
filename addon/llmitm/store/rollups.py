"""Sums by hour and dimension: what makes a report over a million calls a look at a few hundred rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from llmitm.calls import Finished
from llmitm.store.rows import nano

_SECONDS = 3600
_SUMS = (
    "calls",
    "errors",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cost_nanousd",
    "latency_ms",
)
_UPSERT = (
    f"INSERT INTO rollups VALUES (?, ?, ?, {', '.join('?' * len(_SUMS))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
)


def add(connection: sqlite3.Connection, batch: Sequence[Finished]) -> None:
    """Add calls to the sums of their hours."""
    sums: dict[tuple[str, int, str], list[int]] = {}
    for call in batch:
        hour = int(call.exchange.started_at) // _SECONDS
        usage = call.answer.usage
        amounts = (
            1,
            int(call.outcome == "error"),
            int(call.charge.usd is None),
            usage.input_tokens or 0,
            usage.output_tokens or 0,
            usage.cached_input_tokens or 0,
            nano(call.charge.usd) or 0,
            round(call.exchange.latency_ms or 0),
        )
        for dimension, value in _dimensions(call):
            known = sums.setdefault((dimension, hour, value), [0] * len(_SUMS))
            for position, amount in enumerate(amounts):
                known[position] += amount
    connection.executemany(_UPSERT, [(*key, *amounts) for key, amounts in sums.items()])


def _dimensions(call: Finished) -> Iterable[tuple[str, str]]:
    """Return what a call is counted under; `all` is every call."""
    who = call.identity
    yield "all", ""
    yield "provider", call.endpoint.provider
    yield "model", call.model or ""
    yield "user", who.user or ""
    yield "client", who.client or ""
    if who.run_id:
        yield "run", who.run_id
    for name, value in who.properties.items():
        yield f"property:{name.lower()}", value
