"""SVG as text, escaped, and the scale of an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup, escape

from llmitm.dashboard.visible import visible

_NICE = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def element(name: str, *children: Markup | str, **attributes: str | float | None) -> Markup:
    """Return an element. `_` in a name is `-`, one at its end is dropped; an attribute that is None is left out."""
    text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(
        child if isinstance(child, Markup) else str(escape(visible(child))) for child in children
    )
    return Markup(f"<{name}{text}>{inside}</{name}>")


def together(parts: Iterable[Markup]) -> Markup:
    """Return elements one after the other."""
    return Markup("").join(parts)


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return visible(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def top(most: float) -> float:
    """Return a round number at which an axis ends that has to reach `most`."""
    if most <= 0:
        return 1
    scale: float = 10 ** math.floor(math.log10(most))
    return next(scale * nice for nice in _NICE if scale * nice >= most * 0.999999)
