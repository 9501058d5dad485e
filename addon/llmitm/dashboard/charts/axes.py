"""The axes of a chart: lines behind the drawing, and text of the page beside and below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from markupsafe import Markup

from llmitm.dashboard.charts.svg import element, together


def grid(width: float, height: float) -> Markup:
    """Return lines at the top, the middle and the bottom."""
    return together(
        element("line", class_="grid", x1=0, x2=width, y1=at, y2=at)
        for at in (0.5, height / 2, height - 0.5)
    )


def plot(
    drawing: Markup,
    most: float,
    shown: Callable[[float], str],
    labels: Iterable[str],
    *,
    below: str = "x",
    kind: str = "plot",
) -> Markup:
    """Return a drawing with its scale, from nothing to the most, and the labels below it."""
    scale = together(element("span", shown(value)) for value in (most, most / 2, 0))
    names = together(element("span", label) for label in labels)
    return element(
        "div",
        element("div", scale, class_="y", aria_hidden="true"),
        drawing,
        element("div", names, class_=below, aria_hidden="true"),
        class_=kind,
    )
