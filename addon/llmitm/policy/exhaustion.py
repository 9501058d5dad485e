"""How long what remains of a limit lasts, if calls go on as in the last minutes; or why that cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from llmitm.providers.limit_values import seconds_of


class Lasts(NamedTuple):
    """An answer."""

    seconds: float | None
    """Until nothing remains; None where that does not happen, or is not known."""
    reason: str
    """Why there is no number; empty where there is one."""


def lasts(
    name: str,
    period: str | None,
    limit: int | None,
    remaining: int | None,
    resets_in: float | None,
    used: Mapping[str, float],
) -> Lasts:
    """Return how long a limit lasts; `used` is what calls use in a second, by what is limited."""
    if remaining is None:
        return Lasts(None, "what remains is not told")
    if remaining == 0:
        return Lasts(0.0, "")
    if name == "percent" or name.endswith("_percent"):
        return Lasts(None, "only a share is told")
    if name not in used:
        return Lasts(None, f"the use of {name.replace('_', ' ')} is not counted here")
    pace = used[name]
    if pace <= 0:
        return Lasts(None, "not in use now")
    seconds = remaining / pace
    if resets_in is not None and seconds <= resets_in:
        return Lasts(seconds, "")
    length = seconds_of(period)
    if length is not None and limit is not None:
        # Over a whole period no more can be used than the limit: beyond its pace it ends in some later period.
        too_much = pace - limit / length
        return Lasts(remaining / too_much, "") if too_much > 0 else Lasts(None, "within the limit")
    if resets_in is not None:
        return Lasts(None, "reset before that")
    return Lasts(seconds, "")
