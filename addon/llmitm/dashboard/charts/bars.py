"""A bar that lies in a cell of a table."""

from __future__ import annotations

from markupsafe import Markup

from llmitm.dashboard.charts.svg import element


def bar(part: float | None, whole: float | None, colour: str = "c-plain") -> Markup:
    """Return how much of a whole something is; decoration beside the number."""
    share = min(max((part or 0) / whole, 0), 1) if whole else 0
    return element(
        "svg",
        element("rect", class_="rest", x=0, y=0, width=100, height=6, rx=1),
        element("rect", class_=colour, x=0, y=0, width=share * 100, height=6, rx=1),
        class_="bar",
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
