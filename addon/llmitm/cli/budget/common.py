"""What the verbs of `llmitm budget` have in common."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from llmitm import budget_book
from llmitm.errors import LlmitmError
from llmitm.home import Home, home
from llmitm.policy.budget_words import State, usd
from llmitm.policy.budgets import Budget
from llmitm.policy.windows import EVER
from llmitm.settings import load
from llmitm.store.ledger import Ledger, opened

_BAR = 12


class Book(NamedTuple):
    """All budgets, and their accounts."""

    ledger: Ledger
    budgets: tuple[Budget, ...]
    made: frozenset[str]
    """Names of those that were made by hand."""
    zone: tzinfo | None


@contextmanager
def book(place: Home | None = None) -> Iterator[Book]:
    """Open the budgets of a folder, or of the one in use, for a block. Raises `LlmitmError`."""
    place = place or home()
    settings = load(place)
    try:
        with opened(place.budgets, place.database) as ledger:
            made = ledger.definitions()
            budgets, faults = budget_book.read(settings, made)
            for name, fault in faults.items():
                print(f"llmitm: the budget {name} does not hold: {fault}", file=sys.stderr)
            yield Book(ledger, budgets, frozenset(made), budget_book.zone(settings))
    except (sqlite3.Error, OSError) as error:
        raise LlmitmError(f"{place.budgets}: {error}") from error


def budget_use() -> Mapping[str, tuple[Decimal, Decimal]]:
    """Return what is spent of each account, and its limit, in USD. Raises `LlmitmError`."""
    with book() as found:
        states = budget_book.states(found.ledger, found.budgets, time.time(), found.zone)
        return budget_book.use(states)


def in_short(place: Home, most: int) -> list[str]:
    """Return how the fullest budgets stand, a line each; none where nobody has made one. Raises `LlmitmError`."""
    if not place.budgets.exists():  # looking makes no files
        return []
    with book(place) as found:
        states = budget_book.states(found.ledger, found.budgets, time.time(), found.zone)
    fullest = sorted(states, key=lambda state: -state.percent)[:most]
    return [f"{state.name} {bar(state.percent)} of {usd(state.limit)}" for state in fullest]


def bar(percent: int) -> str:
    """Return a share as a bar with its number."""
    full = min(_BAR, percent * _BAR // 100)
    return f"{'█' * full}{'░' * (_BAR - full)} {percent:>3} %"


def named(found: Book, name: str) -> Budget:
    """Return a budget by its name. Raises `LlmitmError`."""
    for budget in found.budgets:
        if budget.name == name:
            return budget
    names = ", ".join(budget.name for budget in found.budgets) or "none"
    raise LlmitmError(f"there is no budget {name!r}; there are {names}")


def record(found: Book, state: State) -> dict[str, Any]:
    """Return how a budget stands, for JSON. Money in nano-dollars, as everywhere."""
    budget, window = state.held.budget, state.window
    ends = window.end < EVER and budget.period.sliding is None
    return {
        "name": budget.name,
        "each": budget.each,
        "value": state.held.value or None,
        "for": budget.describe() or None,
        "per": budget.per,
        "limit_nanousd": state.limit,
        "spent_nanousd": state.spent,
        "reserved_nanousd": state.reserved,
        "in_doubt_nanousd": state.doubt,
        "percent": state.percent,
        "resets_at": datetime.fromtimestamp(window.end, UTC).isoformat() if ends else None,
        "forecast": budget_book.outlook(found.ledger, state, time.time()),
        "on_limit": budget.on_limit,
        "from": "hand" if budget.name in found.made else "settings",
    }
