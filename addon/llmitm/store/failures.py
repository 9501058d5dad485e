"""What went wrong, by kind and over time; what was tried again, and what that helped."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llmitm.store import limits, sums
from llmitm.store.filters import Filter
from llmitm.store.migrations import RETRIED
from llmitm.store.reader import Reader, Record

_KIND = (
    "CASE outcome WHEN 'blocked' THEN 'blocked: ' || coalesce(error_type, 'by llmitm')"
    " WHEN 'cancelled' THEN 'cancelled' ELSE trim(coalesce(status, '') || ' ' || coalesce(error_type, '')) END"
)
_FAILED = "calls INDEXED BY calls_failed"
_RETRIED = "calls INDEXED BY calls_retried"


@dataclass(frozen=True, slots=True)
class Kind:
    """Calls that did not end well in the same way."""

    name: str
    outcome: str
    status: int | None
    calls: int
    providers: Sequence[str]
    last_at: int
    """Milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Helped:
    """Calls that were tried again, and how many of them ended well."""

    retried: int
    """By llmitm, on the same model or another."""
    retried_ok: int
    fallbacks: int
    """Answered by another model than was asked for."""
    fallbacks_ok: int
    by_client: int
    """Calls that are themselves another try of the client's."""
    by_client_ok: int


def kinds(log: Reader, wanted: Filter) -> list[Kind]:
    """Return how calls failed, the most frequent first."""
    rows = _rows(
        log,
        wanted,
        f"SELECT {_KIND} AS kind, outcome, status, count(*), group_concat(DISTINCT provider), max(started_at)"
        f" FROM {_FAILED} WHERE outcome != 'ok' AND {{}} GROUP BY kind, outcome, status ORDER BY count(*) DESC, kind",
    )
    return [
        Kind(kind or outcome, outcome, status, count, sorted((providers or "").split(",")), last)
        for kind, outcome, status, count, providers, last in rows
    ]


def over_time(
    log: Reader, wanted: Filter, period: str, *, utc: bool = False
) -> list[tuple[str, str, int]]:
    """Return labels of periods, kinds, and how many calls failed so."""
    label, _ = sums.column(period, "" if utc else ", 'localtime'")
    return [
        (label, kind or "no answer", count)
        for label, kind, count in _rows(
            log,
            wanted,
            f"SELECT {label} AS label, {_KIND} AS kind, count(*) FROM {_FAILED}"
            f" WHERE outcome != 'ok' AND {{}} GROUP BY label, kind",
        )
    ]


def helped(log: Reader, wanted: Filter) -> Helped:
    """Return what it helped to try again."""
    limits.require_waits(log.db.conn)
    by_client = "coalesce(client_retry > 0, 0) OR retry_of_key IS NOT NULL"
    (row,) = _rows(
        log,
        wanted,
        "SELECT coalesce(sum(attempts > 1), 0), coalesce(sum(attempts > 1 AND outcome = 'ok'), 0),"
        " count(fallback_index), coalesce(sum(fallback_index IS NOT NULL AND outcome = 'ok'), 0),"
        f" coalesce(sum({by_client}), 0), coalesce(sum(({by_client}) AND outcome = 'ok'), 0)"
        f" FROM {_RETRIED} WHERE {RETRIED} AND {{}}",
    )
    return Helped(*row)


def fallbacks(log: Reader, wanted: Filter) -> list[Record]:
    """Return who was asked, who answered in their place, how often, and what came of it."""
    cursor = _cursor(
        log,
        wanted,
        "SELECT coalesce(provider_requested, provider) AS provider_requested, model_requested, provider, model,"
        " count(*) AS calls, sum(outcome = 'ok') AS ok, max(started_at) AS last_at"
        f" FROM {_RETRIED} WHERE {RETRIED} AND fallback_index IS NOT NULL AND {{}}"
        " GROUP BY 1, 2, 3, 4 ORDER BY calls DESC, 1, 2, 3, 4",
    )
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _rows(log: Reader, wanted: Filter, query: str) -> list[tuple[Any, ...]]:
    return _cursor(log, wanted, query).fetchall()


def _cursor(log: Reader, wanted: Filter, query: str) -> sqlite3.Cursor:
    """Ask, with the conditions of the filter in the place of `{}`."""
    condition, values = sums.where(log.db.conn, wanted)
    return log.db.conn.execute(query.format(condition), values)
