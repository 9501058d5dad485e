"""What happened one after the other, as bars on one axis of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmitm.dashboard.charts.svg import element

_WIDTH = 1000.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    name: str
    about: str
    start: float
    end: float
    colour: str


def waterfall(spans: Sequence[Span], end: float, shown: Callable[[float], str]) -> Markup:
    """Return a table with a bar in each row."""
    whole = end or 1
    rows = []
    for span in spans:
        left = span.start / whole * _WIDTH
        wide = max((span.end - span.start) / whole * _WIDTH, 1.5)
        drawing = element(
            "svg",
            element(
                "rect",
                class_=span.colour,
                x=min(left, _WIDTH - wide),
                y=3,
                width=wide,
                height=10,
                rx=2,
            ),
            viewBox=f"0 0 {_WIDTH:.0f} 16",
            preserveAspectRatio="none",
            aria_hidden="true",
        )
        rows.append(
            element(
                "tr",
                element("th", span.name, scope="row"),
                element("td", drawing, class_="track"),
                element("td", shown(span.start), class_="n dim"),
                element("td", shown(span.end - span.start), class_="n"),
                element("td", span.about, class_="dim"),
            )
        )
    head = element(
        "tr",
        element("th", "step", scope="col"),
        element("th", element("span", "when", class_="unseen"), scope="col"),
        element("th", "from", scope="col", class_="n"),
        element("th", "took", scope="col", class_="n"),
        element("th", element("span", "about", class_="unseen"), scope="col"),
    )
    return element("table", element("thead", head), element("tbody", *rows), class_="waterfall")
