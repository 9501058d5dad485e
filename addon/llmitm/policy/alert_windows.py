"""Windows that an alert looks at: a calendar's hour, day, week or month, or a span that ends now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, get_args

from llmitm.policy.windows import Period

Calendar = Literal["hour", "day", "week", "month"]
"""In the time zone of the user; weeks begin on Monday."""

_SPAN = re.compile(r"(\d{1,5})\s*(m|min|h|d)")
_SECONDS = {"m": 60, "min": 60, "h": 3_600, "d": 86_400}
_WORDS = {60: "minute", 3_600: "hour", 86_400: "day"}
_LONGEST_SECONDS = 31 * 86_400
ALLOWED = "hour, day, week, month, or a span from 1m to 31d such as 15m, 1h or 7d"


@dataclass(frozen=True, slots=True)
class Window:
    """A calendar's period, or a span of seconds."""

    calendar: Calendar | None = None
    seconds: int = 0

    def __str__(self) -> str:
        if self.calendar is not None:
            return self.calendar
        number, unit = self._in_units()
        return f"{number}{'d' if unit == 86_400 else 'h' if unit == 3_600 else 'm'}"

    @property
    def words(self) -> str:
        """What a sentence calls it: `today`, `in the last 15 minutes`."""
        if self.calendar is not None:
            return "today" if self.calendar == "day" else f"this {self.calendar}"
        number, unit = self._in_units()
        return f"in the last {_WORDS[unit] if number == 1 else f'{number} {_WORDS[unit]}s'}"

    def _in_units(self) -> tuple[int, int]:
        """Return a number and its unit; one day is 24 hours, since `day` is the calendar's."""
        for unit in (86_400, 3_600):
            if self.seconds % unit == 0 and self.seconds >= (2 * unit if unit == 86_400 else unit):
                return self.seconds // unit, unit
        return self.seconds // 60, 60

    def bounds(self, now: datetime, zone: tzinfo | None = None) -> tuple[datetime, datetime]:
        """Return when it begins and ends; `zone` None is that of the system."""
        if self.calendar is None:
            return now - timedelta(seconds=self.seconds), now
        span = Period(self.calendar).window(now.timestamp(), zone)
        return _at(span.start, zone), _at(span.end, zone)


def parse(text: str) -> Window:
    """Read a window. Raises `ValueError`, which says what is allowed."""
    if text in get_args(Calendar):
        return Window(calendar=text)  # type: ignore[arg-type]
    match = _SPAN.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 60 <= seconds <= _LONGEST_SECONDS:
        raise ValueError(f"window {text!r}: allowed is {ALLOWED}")
    return Window(seconds=seconds)


def _at(moment: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(zone)
