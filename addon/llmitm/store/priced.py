"""Questions to the log about prices: what has none, what the provider says otherwise, what all of it rests on."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence

from llmitm.basis import Basis
from llmitm.errors import StoreError
from llmitm.store import facts, sums
from llmitm.store.filters import Filter, among
from llmitm.store.rows import Row

CALLS_A_STEP = 1_000
_COLUMNS = tuple(dict.fromkeys((*facts.COLUMNS, "counted", "cost_nanousd")))


class Bases:
    """Calls in the order in which they ended, each with what its price rests on."""

    def __init__(self, connection: sqlite3.Connection, wanted: Filter) -> None:
        self._connection = connection
        self._keys = keys(connection, wanted)

    def __len__(self) -> int:
        return len(self._keys)

    def steps(self) -> Iterator[Sequence[tuple[Row, Basis | None]]]:
        """Yield some at a time, so that no reader holds the log for long."""
        for start in range(0, len(self._keys), CALLS_A_STEP):
            some = self._keys[start : start + CALLS_A_STEP]
            yield [(row, facts.read(row)) for row in rows(self._connection, some, _COLUMNS)]


def keys(connection: sqlite3.Connection, wanted: Filter) -> array[int]:
    """Return the keys of the calls that fit, in the order in which they ended."""
    where, values = sums.where(connection, wanted)
    found = connection.execute(f"SELECT key FROM calls WHERE {where} ORDER BY key", values)
    return array("q", (key for (key,) in found))


def rows(
    connection: sqlite3.Connection, some: Sequence[int], columns: Sequence[str]
) -> Iterator[Row]:
    """Yield columns of calls, as they are stored."""
    query = f"SELECT {', '.join(columns)} FROM calls WHERE {among('key', some)}"
    for values in connection.execute(query, tuple(some)):
        yield dict(zip(columns, values, strict=True))


def has_bases(connection: sqlite3.Connection) -> bool:
    """Return whether a log is of a version that keeps what prices rest on."""
    query = "SELECT count(*) FROM pragma_table_info('calls') WHERE name = 'basis'"
    return bool(connection.execute(query).fetchone()[0])


def require_bases(connection: sqlite3.Connection) -> None:
    """Raise `StoreError` where a log is of an older version."""
    if not has_bases(connection):
        raise StoreError(
            "the log is of an older version: it is brought up to date when the proxy starts"
        )


def unpriced(connection: sqlite3.Connection, wanted: Filter) -> sqlite3.Cursor:
    """Sum up calls without a price by provider, model and reason, the most frequent first."""
    where, values = sums.where(connection, wanted)
    return connection.execute(
        f"""SELECT provider, model, unpriced_reason AS reason, count(*) AS calls,
            sum(counted * (coalesce(input_tokens, 0) + coalesce(output_tokens, 0))) AS tokens,
            max(started_at) AS last_seen
        FROM calls INDEXED BY calls_unpriced WHERE cost_nanousd IS NULL AND {where}
        GROUP BY provider, model, unpriced_reason ORDER BY calls DESC, provider, model, reason""",
        values,
    )


def differing(connection: sqlite3.Connection, wanted: Filter, share: float) -> sqlite3.Cursor:
    """Sum up calls whose provider's own figure differs by more than a share of it from the table's."""
    where, values = sums.where(connection, wanted)
    return connection.execute(
        f"""SELECT provider, model, count(*) AS calls, sum(provider_cost_nanousd) AS provider_nanousd,
            sum(table_cost_nanousd) AS table_nanousd,
            sum(provider_cost_nanousd - table_cost_nanousd) AS difference_nanousd
        FROM calls INDEXED BY calls_checked WHERE provider_cost_nanousd IS NOT NULL
            AND abs(provider_cost_nanousd - table_cost_nanousd) > ? * provider_cost_nanousd AND {where}
        GROUP BY provider, model ORDER BY abs(difference_nanousd) DESC, provider, model""",
        [share, *values],
    )
