"""How much more or less something is than before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_MANY = 10


@dataclass(frozen=True, slots=True)
class Change:
    """A difference in percent."""

    text: str
    up: bool | None
    """None where it is the same."""

    def kind(self, good: Literal["up", "down", "neither"]) -> str:
        """Return whether that is good, as a class."""
        if self.up is None or good == "neither":
            return ""
        return "good" if self.up == (good == "up") else "bad"


def change(now: float | None, before: float | None) -> Change | None:
    """Return the change; None where there is nothing to compare with."""
    if now is None or not before:
        return None
    share = now / before - 1
    if abs(share) < 0.005:
        return Change("±0%", None)
    text = f"×{now / before:.0f}" if share > _MANY else f"{share:+.0%}"
    return Change(text.replace("-", "−"), share > 0)
