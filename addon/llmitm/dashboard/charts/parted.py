"""A bar of several parts that lies in a cell of a table: what something is made of."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from llmitm.dashboard.charts.svg import element


def parted(parts: Sequence[tuple[str, float, str]]) -> Markup:
    """Return a bar of parts, each a name, an amount and the class of its colour; decoration beside the words."""
    whole = sum(amount for _, amount, _ in parts)
    drawn, at = [], 0.0
    for _, amount, colour in parts:
        wide = amount / whole * 100 if whole else 0
        drawn.append(element("rect", class_=colour, x=at, y=0, width=wide, height=8))
        at += wide
    tip = "\n".join(
        f"{name}\t{amount / whole:.0%}" for name, amount, _ in parts if whole and amount
    )
    return element(
        "svg",
        element("rect", class_="rest", x=0, y=0, width=100, height=8),
        *drawn,
        class_="bar parted",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
        data_tip=tip or None,
    )
