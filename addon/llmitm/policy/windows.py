"""The spans of time that budgets hold for: an hour, a day, a week or a month of the calendar, a sliding length, or ever.

The calendar is that of a time zone, where a day may have 23 or 25 hours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal, get_args

Calendar = Literal["hour", "day", "week", "month", "total"]
_SLIDING = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LEAST, _MOST = 60, 366 * 86_400
_SLICES = 60
"""A sliding length is so many slices and the one that has begun: what falls into a slice is forgotten with all of it."""
EVER = 253_402_300_799.0
"""The end of what has none, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, seconds since the epoch; the end is not part of it."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Period:
    """For how long a budget holds, before it begins anew."""

    text: str
    """As a person writes it: `day`, or `24h`."""
    sliding: int | None = None
    """Seconds; None where it is the calendar's."""

    @property
    def slice_seconds(self) -> float:
        """How long a slice of a sliding length is."""
        return (self.sliding or 0) / _SLICES

    def window(self, now: float, zone: tzinfo | None = None) -> Window:
        """Return the span that `now` falls into; `zone` None is that of this machine."""
        if self.sliding is not None:
            length = self.slice_seconds
            # The slice that has begun is a part more, so that never less than the whole length is counted.
            start = (now // length - _SLICES) * length
            return Window(start, (now // length + 1) * length)
        if self.text == "total":
            return Window(0, EVER)
        local = datetime.fromtimestamp(now, zone)
        if self.text == "hour":
            begun = timedelta(
                minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
            start = now - begun.total_seconds()
            return Window(round(start), round(start) + 3_600)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self.text == "week":
            midnight -= timedelta(days=midnight.weekday())
        elif self.text == "month":
            midnight = midnight.replace(day=1)
        return Window(midnight.timestamp(), _after(midnight, self.text).timestamp())


def period(text: str) -> Period:
    """Read a period. Raises `ValueError`, which says what is allowed."""
    plain = text.strip().lower()
    if plain in get_args(Calendar):
        return Period(plain)
    if match := _SLIDING.fullmatch(plain):
        seconds = int(match[1]) * _UNITS[match[2]]
        if _LEAST <= seconds <= _MOST:
            return Period(f"{match[1]}{match[2]}", seconds)
    raise ValueError("hour, day, week, month, total, or a sliding length from 1m to 366d, as 24h")


def _after(midnight: datetime, unit: str) -> datetime:
    """Return the midnight at which the next day, week or month begins, by the wall clock."""
    if unit == "month":
        return (midnight + timedelta(days=32)).replace(day=1)
    return midnight + timedelta(days=7 if unit == "week" else 1)
