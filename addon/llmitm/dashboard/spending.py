"""Spend, tokens or calls over time, stacked by what a person chooses; and what it all adds up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from llmitm.cli.output import count, money
from llmitm.dashboard import periods
from llmitm.dashboard.charts.colours import colour, shades
from llmitm.dashboard.charts.stacks import Series, Slot, stacks
from llmitm.dashboard.page import View
from llmitm.dashboard.periods import Period, Stretch
from llmitm.store import charts
from llmitm.store.reader import Reader, Sums

What = Literal["cost", "tokens", "calls"]
WHATS: tuple[What, ...] = ("cost", "tokens", "calls")
DIMENSIONS = ("model", "provider", "user", "client", "run")
_MOST_SERIES = 7
_REST = "everything else"

_AMOUNTS: Mapping[What, Callable[[Sums], int]] = {
    "cost": lambda sums: sums.cost_nanousd,
    "tokens": lambda sums: sums.input_tokens + sums.output_tokens,
    "calls": lambda sums: sums.calls,
}


@dataclass(frozen=True, slots=True)
class Cube:
    """Sums by a stretch of time and one more dimension."""

    period: Period
    stretches: Sequence[Stretch]
    dimension: str
    rows: Sequence[tuple[int, str, str, Sums]]
    """Number of the stretch, provider where the dimension is that or a model, value, sums."""
    utc: bool

    def total(self) -> Sums:
        """Return what all adds up to."""
        return added([sums for _, _, _, sums in self.rows])

    def over_time(self, amount: Callable[[Sums], float]) -> list[float]:
        """Return the course of an amount."""
        found = [0.0] * len(self.stretches)
        for number, _, _, sums in self.rows:
            found[number] += amount(sums)
        return found


def added(rows: Sequence[Sums]) -> Sums:
    """Return what sums add up to."""
    names = [each.name for each in fields(Sums) if each.name != "by"]
    return Sums((), *(sum(getattr(row, name) for row in rows) for name in names))


def cube(view: View, dimension: str) -> Cube:
    """Ask the log for the sums of the view's question."""
    wanted = view.question.filter()
    log: Reader = view.log
    since, until = charts.bounds(wanted, charts.first_hour(log), view.now)
    period = _period(view, since, until)
    # Days of users, properties and the like are kept for UTC alone.
    question = view.question
    of_models = dimension in ("model", "provider")
    of_others = not of_models or bool(question.user or question.run or question.tags)
    utc = of_others and period in ("day", "week", "month")
    found = list(periods.stretches(since, until, period, utc=utc))
    numbers = {stretch.start: number for number, stretch in enumerate(found)}
    by = [periods.summed(period), *(["provider"] if dimension == "model" else []), dimension]
    starts: dict[str, int | None] = {}
    rows = []
    for sums in log.sums(wanted, by, utc=utc):
        label = sums.by[0]
        if label not in starts:
            starts[label] = numbers.get(periods.parsed(label, period, utc=utc))
        number = starts[label]
        if number is not None:
            rows.append((number, sums.by[1] if of_models else "", sums.by[-1], sums))
    return Cube(period, found, dimension, rows, utc)


def _period(view: View, since: datetime, until: datetime) -> Period:
    chosen = view.argument("every")
    return next(
        (period for period in periods.possible(since, until) if period == chosen),
        periods.fitting(since, until),
    )


def chart(view: View, found: Cube, what: What, title: str) -> Markup:
    """Return the cube as stacked bars, each with a link to its calls."""
    amount = _AMOUNTS[what]
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for _, provider, value, sums in found.rows:
        totals[(provider, value)] += amount(sums)
    names = sorted(
        (name for name in totals if totals[name]), key=lambda name: (-totals[name], name)
    )
    kept = names[:_MOST_SERIES]
    amounts = {name: [0.0] * len(found.stretches) for name in (*kept, ("", _REST))}
    for number, provider, value, sums in found.rows:
        name = (provider, value)
        amounts[name if name in amounts else ("", _REST)][number] += amount(sums)
    colours = _colours(found, kept)
    series = [
        Series(
            name[1] or "–",
            colours[position],
            amounts[name],
            f"/calls{view.question.narrowed(found.dimension, name[1]).query()}"
            if name[1]
            else None,
        )
        for position, name in enumerate(kept)
    ]
    if len(names) > len(kept):
        series.append(Series(_REST, "c-rest", amounts["", _REST]))
    axis = usd_of_axis if what == "cost" else None
    return stacks(title, slots(view, found), series, _shown(what), axis=axis)


def _colours(found: Cube, kept: Sequence[tuple[str, str]]) -> list[str]:
    if found.dimension in ("model", "provider"):
        return shades([provider for provider, _ in kept])
    return [colour(rank) for rank in range(len(kept))]


def slots(view: View, found: Cube) -> list[Slot]:
    """Return the places on the axis of time, each with a link to its calls."""
    first = found.stretches[0].start if found.stretches else view.now
    return [
        Slot(
            periods.short(stretch, found.period, first),
            periods.full(stretch, found.period),
            f"/calls{view.question.between(stretch.start, stretch.end).query()}",
        )
        for stretch in found.stretches
    ]


def _shown(what: What) -> Callable[[float], str]:
    if what == "cost":
        return lambda amount: money(round(amount))
    return lambda amount: count(round(amount))


def usd_of_axis(nanousd: float) -> str:
    """Return a round amount without digits that say nothing."""
    return f"${nanousd / 1e9:,.10f}".rstrip("0").rstrip(".")
