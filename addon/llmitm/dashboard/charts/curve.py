"""A course over time or over turns: a line with the ground under it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from llmitm.dashboard.charts.axes import grid, plot
from llmitm.dashboard.charts.svg import element, top

_WIDTH, _HEIGHT = 1000.0, 120.0


def curve(
    title: str,
    points: Sequence[tuple[float, float]],
    shown: Callable[[float], str],
    labels: Sequence[str],
    *,
    axis: Callable[[float], str] | None = None,
    colour: str = "c-plain",
    steps: bool = False,
) -> Markup:
    """Return a figure of points, by their places on the axis (0 to 1) and their amounts; `steps` where it jumps."""
    most = top(max((amount for _, amount in points), default=0))
    places = [(at * _WIDTH, _HEIGHT - amount / most * _HEIGHT) for at, amount in points]
    path: list[str] = []
    for number, (x, y) in enumerate(places):
        if steps and number:
            path.append(f"{x:.1f},{places[number - 1][1]:.1f}")
        path.append(f"{x:.1f},{y:.1f}")
    if path and steps:
        path.append(f"{_WIDTH:.1f},{places[-1][1]:.1f}")
    line = " ".join(path)
    first = places[0][0] if places else 0
    last = _WIDTH if steps else (places[-1][0] if places else 0)
    drawing = element(
        "svg",
        grid(_WIDTH, _HEIGHT),
        element(
            "polygon",
            class_=f"area {colour}",
            points=f"{first:.1f},{_HEIGHT} {line} {last:.1f},{_HEIGHT}",
        ),
        element("polyline", class_=f"curve {colour}", points=line),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=title,
    )
    return element(
        "figure", plot(drawing, most, axis or shown, labels, kind="plot low"), class_="chart"
    )
