"""Points on two axes, such as what a call costs and how long it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmitm.dashboard.charts.axes import grid, plot
from llmitm.dashboard.charts.svg import element, top

_WIDTH, _HEIGHT = 1000.0, 240.0
_MARGIN = 16.0
_LARGEST, _SMALLEST = 15.0, 5.0


@dataclass(frozen=True, slots=True)
class Point:
    """A thing with two figures, and how large it is beside the others."""

    name: str
    x: float
    y: float
    size: float
    colour: str
    link: str
    tip: str


def scatter(
    title: str,
    points: Sequence[Point],
    shown_x: Callable[[float], str],
    shown_y: Callable[[float], str],
    names: tuple[str, str],
) -> Markup:
    """Return a figure; the axis across is logarithmic, so that the cheap ones are not all in one place."""
    least, most = _decades([point.x for point in points if point.x > 0])
    highest = top(max((point.y for point in points), default=0))
    largest = max((point.size for point in points), default=0) or 1
    marks = []
    for point in sorted(points, key=lambda each: -each.size):
        power = math.log10(max(point.x, 10**least)) - least
        x = _MARGIN + power / (most - least) * (_WIDTH - 2 * _MARGIN)
        y = _HEIGHT - _MARGIN - point.y / highest * (_HEIGHT - 2 * _MARGIN)
        radius = max(_SMALLEST, _LARGEST * math.sqrt(point.size / largest))
        # The drawing is stretched to the width of the page; a line with round ends stays a circle.
        mark = element(
            "line",
            class_=f"point {point.colour}",
            x1=x,
            x2=x + 0.01,
            y1=y,
            y2=y,
            stroke_width=2 * radius,
        )
        marks.append(
            element("a", mark, href=point.link, data_tip=point.tip, aria_label=_told(point))
        )
    drawing = element(
        "svg",
        grid(_WIDTH, _HEIGHT),
        *marks,
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="group",
        aria_label=title,
    )
    ticks = [shown_x(10.0**exponent) for exponent in range(least, most + 1)]
    legend = element(
        "ul",
        *(
            element(
                "li",
                element("i", class_=f"chip {point.colour}"),
                element("a", point.name, href=point.link),
            )
            for point in points
        ),
        class_="legend",
    )
    across = element("p", f"across {names[0]}, up {names[1]}", class_="dim axes")
    return element(
        "figure",
        plot(drawing, highest, shown_y, ticks, kind="plot points"),
        across,
        legend,
        class_="chart",
    )


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten between which all values are."""
    if not values:
        return 0, 1
    least = math.floor(math.log10(min(values)))
    return least, max(math.ceil(math.log10(max(values))), least + 1)


def _told(point: Point) -> str:
    return point.tip.replace("\n", ", ").replace("\t", " ")
