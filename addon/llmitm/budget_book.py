"""The budgets of a home, from its settings and made by hand, and how they stand: for the proxy and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from llmitm.money import dollars
from llmitm.policy import budget_words
from llmitm.policy.budget_words import State
from llmitm.policy.budgets import Budget, Held, merged
from llmitm.settings import Settings
from llmitm.store.ledger import Ledger

_BURN_SECONDS = 3_600
"""The time whose spending a forecast goes on with."""
_LEAST_SECONDS = 60.0


class Read(NamedTuple):
    """Budgets that hold, and why others do not, by their names."""

    budgets: tuple[Budget, ...]
    faults: Mapping[str, str]


def read(settings: Settings, made: Mapping[str, str]) -> Read:
    """Return all budgets; `made` are those made by hand, as JSON by name."""
    found, faults = [], {}
    for name, definition in made.items():
        try:
            found.append(Budget.model_validate_json(definition))
        except ValidationError as error:
            faults[name] = error.errors()[0]["msg"]
    return Read(merged(settings.budget, found), faults)


def zone(settings: Settings) -> tzinfo | None:
    """Return whose calendar it is; None is this machine's."""
    name = settings.budgets.time_zone
    return ZoneInfo(name) if name else None


def states(
    ledger: Ledger, budgets: Sequence[Budget], now: float, zone: tzinfo | None
) -> list[State]:
    """Return how budgets stand: each that is for all together, and every account of the others. May take a while."""
    found = []
    for budget in budgets:
        window = budget.period.window(now, zone)
        if budget.each is None or budget.period.sliding is not None:
            ledger.account(Held(budget), window)
        for value, use in ledger.all_accounts(budget, window).items():
            if budget.each is None or value or use.spent or use.reserved:
                found.append(State(Held(budget, value), *use, window))
    return found


def use(states: Sequence[State]) -> dict[str, tuple[Decimal, Decimal]]:
    """Return what is spent of each budget and its limit, in USD; of several accounts the fullest."""
    found: dict[str, State] = {}
    for state in states:
        name = state.held.budget.name
        if name not in found or found[name].spent < state.spent:
            found[name] = state
    return {name: (dollars(state.spent), dollars(state.limit)) for name, state in found.items()}


def outlook(ledger: Ledger, state: State, now: float) -> str | None:
    """Return when an account will be used up as calls go on now; None where it will not. May take a while."""
    seconds = min(float(_BURN_SECONDS), max(_LEAST_SECONDS, now - state.window.start))
    burnt = ledger.spent_since(state.held, now - seconds)
    return budget_words.forecast(state, burnt, seconds, now)
