"""What an alert does with what was measured: it fires once for each crossing, and is over once the value has gone back.

Between two firings of the same group there is always the end of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from llmitm.policy.alert_conditions import Condition

type Group = tuple[str, ...]
"""Values of what the condition tells apart, in its order."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a group."""

    group: Group
    value: Decimal | None
    """None where there is nothing to measure, such as a rate of no calls."""
    calls: int
    limit: Decimal | None = None
    """Of a budget, in USD."""


@dataclass(frozen=True, slots=True)
class Firing:
    """A group that is beyond the threshold."""

    since: float
    """Seconds since the epoch."""
    window_from: float
    """When the window began in which it was last seen; seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change that people are told of."""

    kind: Literal["firing", "resolved"]
    measured: Measured
    since: float
    """When it began to fire."""
    is_new_window: bool = False
    """Resolved because the window has ended, not because the value has gone back in it."""


def step(
    condition: Condition,
    before: Mapping[Group, Firing],
    measured: Sequence[Measured],
    window_from: float,
    now: float,
) -> tuple[dict[Group, Firing], list[Event]]:
    """Return the groups that fire now, and what has changed. Times are seconds since the epoch."""
    is_calendar = condition.window is not None and condition.window.calendar is not None
    found = {each.group: each for each in measured}
    nothing = Decimal(0) if condition.is_amount else None
    after: dict[Group, Firing] = {}
    events: list[Event] = []
    for group, firing in before.items():
        value = found.get(group) or Measured(group, nothing, 0)
        if is_calendar and firing.window_from < window_from:
            events.append(Event("resolved", value, firing.since, is_new_window=True))
        elif value.value is None or condition.is_back(value.value):
            events.append(Event("resolved", value, firing.since))
        else:
            after[group] = Firing(firing.since, window_from)
    for value in _crossed(condition, measured):
        if value.group not in after:
            after[value.group] = Firing(now, window_from)
            events.append(Event("firing", value, now))
    return after, events


def _crossed(condition: Condition, measured: Sequence[Measured]) -> Iterator[Measured]:
    for each in measured:
        is_enough = each.calls >= condition.least_calls
        if is_enough and each.value is not None and condition.crossed(each.value):
            yield each
