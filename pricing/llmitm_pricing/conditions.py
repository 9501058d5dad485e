"""When a variant or a modifier holds: by what is known of the call, by the size of the prompt, by the hour."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from llmitm_pricing.names import glob
from llmitm_pricing.schema import Calendar, When

type Context = Mapping[str, str | None]
"""What is known of a call: tier, inference_geo, speed, host, path, and the attributes of what was asked for."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Condition:
    """All of the words of one `when`."""

    __slots__ = ("_tests",)

    def __init__(self, when: When) -> None:
        self._tests: list[tuple[str, Callable[[str], object]]] = [
            (key, _test(words)) for key, words in when.items()
        ]

    def holds(self, context: Context) -> bool:
        """Return whether every key is known of the call and has one of its words."""
        for key, test in self._tests:
            value = context.get(key)
            if value is None or not test(value):
                return False
        return True


def _test(words: tuple[str, ...]) -> Callable[[str], object]:
    if not any("*" in word for word in words):
        return frozenset(words).__contains__
    joined = "|".join(glob(word).pattern for word in words)
    return re.compile(joined, re.I | re.S).fullmatch


class Hours:
    """A calendar that can be asked about a moment."""

    __slots__ = ("_days", "_except", "_spans")

    def __init__(self, calendar: Calendar) -> None:
        self._days = frozenset(_DAYS.index(day) for day in calendar.days)
        self._spans = calendar.hours_utc
        self._except = frozenset(calendar.exceptions)

    def holds(self, at: datetime) -> bool:
        """Return whether a moment, in UTC, falls into the calendar's hours."""
        if at.weekday() not in self._days or at.date() in self._except:
            return False
        hour = at.time()
        return any(
            start <= hour < end if start < end else hour >= start or hour < end
            for start, end in self._spans
        )
