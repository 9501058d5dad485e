"""Calls as bars in lanes, one lane for each conversation, on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmitm.dashboard.charts.svg import element, together

_WIDTH = 1000.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A call."""

    start: float
    """Milliseconds since the beginning."""
    end: float
    colour: str
    tip: str
    link: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Calls that go on from one another."""

    name: str
    link: str
    bars: Sequence[Bar]


def lanes(title: str, found: Sequence[Lane], length: float, labels: Sequence[str]) -> Markup:
    """Return a figure with a lane for each."""
    rows = [_lane(lane, max(length, 1)) for lane in found]
    axis = element(
        "div",
        element("span", ""),
        element("div", together(element("span", label) for label in labels)),
        class_="lane times",
        aria_hidden="true",
    )
    return element("figure", *rows, axis, class_="lanes chart", role="group", aria_label=title)


def _lane(lane: Lane, length: float) -> Markup:
    bars = []
    for bar in lane.bars:
        wide = max((bar.end - bar.start) / length * _WIDTH, 2)
        left = min(bar.start / length * _WIDTH, _WIDTH - wide)
        rect = element("rect", class_=bar.colour, x=left, y=3, width=wide, height=12, rx=1.5)
        bars.append(
            element(
                "a",
                rect,
                href=bar.link,
                data_tip=bar.tip,
                aria_label=bar.tip.replace("\n", ", ").replace("\t", " "),
                tabindex="-1",
            )
        )
    drawing = element(
        "svg",
        element("line", class_="grid", x1=0, x2=_WIDTH, y1=9, y2=9),
        *bars,
        viewBox=f"0 0 {_WIDTH:.0f} 18",
        preserveAspectRatio="none",
        role="group",
        aria_label=lane.name,
    )
    return element(
        "div",
        element("a", lane.name, class_="name", href=lane.link, title=lane.name),
        drawing,
        class_="lane",
    )
