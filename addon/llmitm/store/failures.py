"""What went wrong, by kind and over time; what was tried again, and what that helped."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llmitm.store import limits, sums
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader, Record
from llmitm.store.views import RETRIED

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


def failed(
    log: Reader, wanted: Filter, period: str, *, utc: bool = False
) -> list[tuple[str, Kind]]:
    """Return labels of periods, and how calls of each failed at each provider."""
    label, _ = sums.column(period, "" if utc else ", 'localtime'")
    return [
        (label, Kind(kind or "no answer", outcome, status, count, (provider,), last))
        for label, kind, outcome, status, provider, count, last in _rows(
            log,
            wanted,
            f"SELECT {label} AS label, {_KIND} AS kind, outcome, status, provider, count(*), max(started_at)"
            f" FROM {_FAILED} WHERE outcome != 'ok' AND {{}} GROUP BY label, kind, outcome, status, provider",
        )
    ]


def kinds(rows: Iterable[Kind]) -> list[Kind]:
    """Return how calls failed at any time, the most frequent first."""
    found: dict[tuple[str, str, int | None], list[Kind]] = defaultdict(list)
    for row in rows:
        found[row.name, row.outcome, row.status].append(row)
    together = [
        Kind(
            *name,
            sum(row.calls for row in some),
            sorted({provider for row in some for provider in row.providers}),
            max(row.last_at for row in some),
        )
        for name, some in found.items()
    ]
    return sorted(together, key=lambda kind: (-kind.calls, kind.name))


def helped(log: Reader, wanted: Filter) -> Helped:
    """Return what it helped to try again."""
    limits.require_waits(log.connection)
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
    condition, values = sums.where(log.connection, wanted)
    return log.connection.execute(query.format(condition), values)
