"""How the cache fared, by the latest calls: how many of those that asked it were answered, and the time that saved."""

from __future__ import annotations

from dataclasses import dataclass

from llmitm.store import filters
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader

MOST_LOOKED_AT = 20_000
"""Calls that are looked at, the latest: no roll-up knows which ones asked the cache in vain."""
_MOST_TIMED = 2_000
"""Hits whose time is compared to that of the call they repeat."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of calls that asked the cache."""

    looked_at: int
    asked: int
    hits: int
    saved_ms: int
    """How much longer the calls took whose answers were given again, as far as the log has them."""


def asked(log: Reader, wanted: Filter) -> Asked:
    """Return what became of the latest calls that fit."""
    connection = log.connection
    keys = filters.find(connection, wanted, MOST_LOOKED_AT)
    among = ", ".join(map(str, keys))
    found, hits = connection.execute(
        f"SELECT count(cache), coalesce(sum(cache = 'hit'), 0) FROM calls WHERE key IN ({among})"
    ).fetchone()
    (saved,) = connection.execute(
        "SELECT coalesce(sum(max(0, source.latency_ms - hit.latency_ms)), 0) FROM ("
        f" SELECT latency_ms, cache_source FROM calls WHERE key IN ({among}) AND cache = 'hit'"
        f" ORDER BY key DESC LIMIT {_MOST_TIMED}"
        ") AS hit JOIN calls AS source ON source.id = hit.cache_source"
    ).fetchone()
    return Asked(len(keys), found, hits, saved)
