"""A line as small as a word."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from llmitm.dashboard.charts.svg import element

_WIDTH, _HEIGHT, _MARGIN = 100.0, 24.0, 1.5


def sparkline(amounts: Sequence[float], title: str = "") -> Markup:
    """Return the course of some amounts; nothing where there are fewer than two."""
    if len(amounts) < 2:
        return Markup("")
    most = max(amounts) or 1
    step = _WIDTH / (len(amounts) - 1)
    room = _HEIGHT - 2 * _MARGIN
    points = [
        f"{number * step:.1f},{_HEIGHT - _MARGIN - amount / most * room:.1f}"
        for number, amount in enumerate(amounts)
    ]
    return element(
        "svg",
        element("polygon", points=f"0,{_HEIGHT} {' '.join(points)} {_WIDTH},{_HEIGHT}"),
        element("polyline", points=" ".join(points)),
        class_="spark",
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img" if title else None,
        aria_label=title or None,
        aria_hidden=None if title else "true",
    )
