"""Stacked bars over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmitm.dashboard.charts.axes import grid, plot
from llmitm.dashboard.charts.svg import element, together, top

_WIDTH, _HEIGHT = 1000.0, 200.0
_GAP = 0.18
"""Of the width of a bar."""
_LABELS = 6
_TOLD = 8
"""Lines of a tooltip."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of the time axis."""

    label: str
    """Short, for the axis."""
    title: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What is stacked: one amount for each slot."""

    name: str
    colour: str
    """A class."""
    amounts: Sequence[float]
    link: str | None = None


def stacks(
    title: str,
    slots: Sequence[Slot],
    series: Sequence[Series],
    shown: Callable[[float], str],
    *,
    axis: Callable[[float], str] | None = None,
    legend: bool = True,
) -> Markup:
    """Return a figure: bars with links, axes, a legend, and the same as a table.

    `shown` says an amount whole, `axis` short.
    """
    totals = [sum(each.amounts[number] for each in series) for number in range(len(slots))]
    most = top(max(totals, default=0))
    width = _WIDTH / max(len(slots), 1)
    bars = together(
        _bar(number, slot, series, totals[number], most, width, shown)
        for number, slot in enumerate(slots)
    )
    drawing = element(
        "svg",
        grid(_WIDTH, _HEIGHT),
        bars,
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="group",
        aria_label=title,
    )
    every = max(1, -(-len(slots) // _LABELS))
    labels = [
        slot.label if number % every == 0 and len(slots) - number > every / 3 else ""
        for number, slot in enumerate(slots)
    ]
    return element(
        "figure",
        plot(drawing, most, axis or shown, labels, below="x slots"),
        _legend(series, shown) if legend else Markup(""),
        _as_table(title, slots, series, totals, shown),
        class_="chart",
    )


def _bar(
    number: int,
    slot: Slot,
    series: Sequence[Series],
    total: float,
    most: float,
    width: float,
    shown: Callable[[float], str],
) -> Markup:
    left, wide = (number + _GAP / 2) * width, width * (1 - _GAP)
    base = _HEIGHT
    parts = []
    for each in series:
        height = each.amounts[number] / most * _HEIGHT
        if height > 0:
            base -= height
            parts.append(
                element("rect", class_=each.colour, x=left, y=base, width=wide, height=height)
            )
    whole = element("rect", class_="hit", x=number * width, y=0, width=width, height=_HEIGHT)
    dearest = sorted(series, key=lambda each: -each.amounts[number])[:_TOLD]
    lines = [
        f"{each.name}\t{shown(each.amounts[number])}" for each in dearest if each.amounts[number]
    ]
    tip = "\n".join([f"{slot.title}\t{shown(total)}", *lines])
    group = element("g", whole, *parts, class_="slot", data_tip=tip)
    if slot.link is None or not total:
        return group
    return element(
        "a", group, href=slot.link, tabindex="-1", aria_label=f"{slot.title}: {shown(total)}"
    )


def _legend(series: Sequence[Series], shown: Callable[[float], str]) -> Markup:
    entries = []
    for each in series:
        chip = element("i", class_=f"chip {each.colour}")
        name = element("a", each.name, href=each.link) if each.link else element("span", each.name)
        entries.append(element("li", chip, name, element("b", shown(sum(each.amounts)))))
    return element("ul", *entries, class_="legend")


def _as_table(
    title: str,
    slots: Sequence[Slot],
    series: Sequence[Series],
    totals: Sequence[float],
    shown: Callable[[float], str],
) -> Markup:
    head = together(
        element("th", name, scope="col") for name in ("", "total", *(each.name for each in series))
    )
    rows = []
    for number, slot in enumerate(slots):
        if not totals[number]:
            continue
        name = element("a", slot.title, href=slot.link) if slot.link else slot.title
        cells = [
            element("td", shown(value), class_="n")
            for value in (totals[number], *(each.amounts[number] for each in series))
        ]
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    table = element("table", element("thead", element("tr", head)), element("tbody", *rows))
    return element(
        "details",
        element("summary", "as a table"),
        element(
            "div",
            table,
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label=f"{title}, as a table",
        ),
        class_="as-table",
    )
