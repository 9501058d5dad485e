"""Price logged calls again: a bounded number in each transaction, so that the proxy writes in between.

What a call costs is worked out before the lock is taken. Whatever else has changed the call or removed it since then
is found out when it is written, and such a call is left alone. The sums are adjusted in the same transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from llmitm.basis import Basis
from llmitm.calls import Charge
from llmitm.money import nano
from llmitm.store import facts, mixes, priced, rollups
from llmitm.store.database import open_writable
from llmitm.store.filters import Filter, among
from llmitm.store.opening import open_readable
from llmitm.store.rollups import Difference
from llmitm.store.rows import Row, amounts

_PRICE = ("cost_nanousd", "cost_parts", "table_cost_nanousd", "price_id", "unpriced_reason")
"""What another price changes."""
_COLUMNS = tuple(dict.fromkeys(("key", *facts.COLUMNS, *_PRICE, *mixes.OWN, "run_id")))
_UPDATE = (
    f"UPDATE calls SET {', '.join(f'{name} = ?' for name in _PRICE)}"
    f" WHERE key = ? AND {' AND '.join(f'{name} IS ?' for name in _PRICE)}"
)
_KEEP = "INSERT OR REPLACE INTO price_changes VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Changes:
    """What became of the calls of one model."""

    calls: int = 0
    """Whose cost or price changed."""
    old_nanousd: int = 0
    new_nanousd: int = 0
    unpriced_before: int = 0
    unpriced_now: int = 0


class _Repriced(NamedTuple):
    row: Row
    price: Row

    @property
    def costs_another(self) -> bool:
        """Whether more has changed than the cross-check or a reason."""
        return any(self.row[name] != self.price[name] for name in ("cost_nanousd", "price_id"))


class Repricing:
    """One pass over calls. `price` says what a call costs; without `write` it is only found out."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        wanted: Filter,
        price: Callable[[Basis], Charge],
        *,
        write: bool,
    ) -> None:
        self._connection = connection
        self._price = price
        self._write = write
        self._at = int(time.time() * 1000)
        self._keys = priced.keys(connection, wanted)
        self.models: dict[tuple[str, str], Changes] = defaultdict(Changes)
        """Changes by provider and model."""
        self.without_basis = 0
        """Calls that do not tell what their price rests on, and so keep it."""
        self.rechecked = 0
        """Calls whose cost stays, but not the figure, the parts or the reason beside it."""

    def __len__(self) -> int:
        return len(self._keys)

    def steps(self) -> Iterator[int]:
        """Do it, and yield how many calls each step has done. Raises `sqlite3.Error`; what was done then stays."""
        for start in range(0, len(self._keys), priced.CALLS_A_STEP):
            some = self._keys[start : start + priced.CALLS_A_STEP]
            found = list(self._repriced(some))
            if found and self._write:
                found = self._written(found)
            for each in found:
                self._count(each)
            yield len(some)

    def _repriced(self, some: Sequence[int]) -> Iterator[_Repriced]:
        """Yield the calls whose price is another by now."""
        for row in priced.rows(self._connection, some, _COLUMNS):
            basis = facts.read(row)
            if basis is None:
                self.without_basis += 1
                continue
            charge = self._price(basis)
            price = (
                nano(charge.usd),
                amounts(charge.parts),
                nano(charge.table_usd) if charge.provider_usd is not None else None,
                charge.price_id,
                charge.unpriced_reason,
            )
            if price != tuple(row[name] for name in _PRICE):
                yield _Repriced(row, dict(zip(_PRICE, price, strict=True)))

    def _written(self, found: Sequence[_Repriced]) -> list[_Repriced]:
        """Write prices, and return those that were still as they had been read."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            written = [each for each in found if self._update(each)]
            connection.executemany(
                _KEEP,
                [
                    (
                        row["key"],
                        self._at,
                        row["cost_nanousd"],
                        price["cost_nanousd"],
                        row["price_id"],
                        price["price_id"],
                    )
                    for row, price in filter(lambda each: each.costs_another, written)
                ],
            )
            differences = list(_differences(connection, written))
            rollups.adjust(connection, differences)
            mixes.Mixes(connection).adjust(differences)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return written

    def _update(self, each: _Repriced) -> bool:
        row, price = each
        values = (*price.values(), row["key"], *(row[name] for name in _PRICE))
        return self._connection.execute(_UPDATE, values).rowcount == 1

    def _count(self, each: _Repriced) -> None:
        if not each.costs_another:
            self.rechecked += 1
            return
        row, price = each
        changes = self.models[row["provider"], row["model"] or ""]
        changes.calls += 1
        changes.old_nanousd += row["cost_nanousd"] or 0
        changes.new_nanousd += price["cost_nanousd"] or 0
        changes.unpriced_before += row["cost_nanousd"] is None
        changes.unpriced_now += price["cost_nanousd"] is None


@contextmanager
def repricing(
    path: Path, wanted: Filter, price: Callable[[Basis], Charge], *, write: bool
) -> Iterator[Repricing]:
    """Open a log for a pass. To write brings one of an older version up to date; none is made.

    Raises `StoreError`, `sqlite3.Error`.
    """
    with closing(open_readable(path)) as connection:
        if not write:
            connection.row_factory = None
            priced.require_bases(connection)
            yield Repricing(connection, wanted, price, write=False)
            return
    with closing(open_writable(path).conn) as connection:
        yield Repricing(connection, wanted, price, write=True)


def _differences(
    connection: sqlite3.Connection, written: Sequence[_Repriced]
) -> Iterator[Difference]:
    """Yield what is to be added to the sums."""
    changed = [each for each in written if each.row["cost_nanousd"] != each.price["cost_nanousd"]]
    if not changed:
        return
    properties = _properties(connection, [each.row["key"] for each in changed])
    for row, price in changed:
        old, new = row["cost_nanousd"], price["cost_nanousd"]
        unpriced = (new is None) - (old is None)
        yield Difference(row, properties[row["key"]], unpriced, (new or 0) - (old or 0))


def _properties(
    connection: sqlite3.Connection, some: Sequence[int]
) -> Mapping[int, Mapping[str, str]]:
    query = f"SELECT call_key, name, value FROM properties WHERE {among('call_key', some)}"
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for key, name, value in connection.execute(query, tuple(some)):
        found[key][name] = value
    return found
