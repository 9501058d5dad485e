"""What people are told of budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from math import ceil
from typing import Literal

from llmitm.policy.budgets import Held
from llmitm.policy.windows import EVER, Window

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class State:
    """An account, nano-dollars."""

    held: Held
    spent: int
    reserved: int
    doubt: int
    window: Window

    @property
    def limit(self) -> int:
        """What may be spent."""
        return self.held.budget.limit_nanousd

    @property
    def percent(self) -> int:
        """How much of it is spent, rounded down."""
        return self.spent * 100 // self.limit if self.limit else 100

    @property
    def name(self) -> str:
        """The budget, and whose account of it."""
        value = self.held.value
        return self.held.budget.name + (f" ({self.held.budget.each} {value})" if value else "")


def usd(nanousd: int) -> str:
    """Return an amount as people write it: cents, and more digits only where there are no cents."""
    amount = nanousd / _NANO
    return (
        f"${amount:.2f}"
        if amount >= 1 or nanousd == 0
        else f"${amount:.3g}"
        if amount >= 1e-4
        else f"${amount:.9f}"
    )


def period_words(state: State) -> str:
    """Return for how long the limit is: `a day`, `in 24h`, `in all`."""
    period = state.held.budget.period
    if period.sliding is not None:
        return f"in {period.text}"
    if period.text == "total":
        return "in all"
    return f"{'an' if period.text == 'hour' else 'a'} {period.text}"


def refusal(
    full: Sequence[State],
    amount: int,
    now: float,
    zone: tzinfo | None,
    reason: Literal["full", "unpriced"] = "full",
) -> str:
    """Return why a call was refused: the first of the budgets that it does not fit into."""
    state = full[0]
    limit = f"the budget {state.name} of {usd(state.limit)} {period_words(state)}"
    if reason == "unpriced":
        return (
            f"llmitm: this call has no known price, and {limit} lets no such calls pass"
            " (its setting `unpriced`)"
        )
    is_over = state.spent >= state.limit
    fault = "is used up" if is_over else "has not enough left"
    held = f", {usd(state.reserved)} reserved by calls that are running" if state.reserved else ""
    more = "" if is_over or not amount else f"; this call may cost {usd(amount)}"
    when = resets(state, now, zone)
    return f"llmitm: {limit} {fault}: {usd(state.spent)} spent{held}{more}; {when}"


def resets(state: State, now: float, zone: tzinfo | None) -> str:
    """Return when there is something in an account again, in words."""
    if state.held.budget.period.sliding is not None:
        return f"what was spent is forgotten {state.held.budget.period.text} later"
    if state.window.end >= EVER:
        return "it does not begin anew"
    at = datetime.fromtimestamp(state.window.end, zone)
    return f"it begins anew at {at:%Y-%m-%d %H:%M} (in {span(state.window.end - now)})"


def span(seconds: float) -> str:
    """Return a length of time: `12 min`, `9 h`, `4 days`."""
    minutes = max(1, ceil(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 72 else f"{round(hours / 24)} days"


def warning(state: State, percent: int, forecast: str | None) -> str:
    """Return what is said as an account reaches a percentage."""
    told = f"; {forecast}" if forecast else ""
    return (
        f"budget {state.name}: {percent} % of {usd(state.limit)} {period_words(state)} spent"
        f" ({usd(state.spent)}){told}"
    )


def forecast(state: State, burnt: int, seconds: float, now: float) -> str | None:
    """Return when an account will be empty if calls go on as in the last so many seconds; None where it will not.

    `burnt` is what was spent in them, nano-dollars.
    """
    left = state.limit - state.spent
    if burnt <= 0 or seconds <= 0 or left <= 0:
        return None
    needed = left * seconds / burnt
    if state.held.budget.period.sliding is None and now + needed >= state.window.end:
        return None
    return f"at {usd(round(burnt * 3600 / seconds))} an hour it is used up in {span(needed)}"
