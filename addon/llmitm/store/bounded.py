"""A question narrowed to as many of its latest calls as can be looked at one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from llmitm.store import filters
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader


def latest(log: Reader, wanted: Filter, most: int) -> tuple[Filter, bool]:
    """Return a filter that so many of the calls fit, or a few more that began together, and whether some do not."""
    keys = filters.find(log.connection, wanted, most)
    if len(keys) < most:
        return wanted, False
    (began,) = log.connection.execute(
        "SELECT started_at FROM calls WHERE key = ?", (keys[-1],)
    ).fetchone()
    since = datetime.fromtimestamp(began / 1000, UTC).astimezone()
    # The first key as well, so that what goes through the calls by their keys need not begin at the first of all.
    return replace(wanted, since=since, after=min(keys) - 1), True
