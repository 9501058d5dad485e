"""How providers write numbers, moments, waits and periods in rate limits. Nothing here raises.

A reset is written in one of six ways: Go's durations (`1m26.4s`), RFC 3339, seconds whole or with a fraction, and
seconds or milliseconds since the epoch. The shape and the size of the value tell which; no provider needs to be
known for it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from llmitm.calls import Json

_GO = re.compile(r"([0-9.]+)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e11
"""From here on a number is a date: 1e9 s is the year 2001, 1e11 ms the year 1973."""
_LAST = 1e10
"""The year 2286. What resets later is not a time, and no wait is this long."""
_NO_LIMIT = 2**62
"""Hugging Face writes 2^63 where there is none."""
_LENGTHS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_592_000,
}
_PERIODS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def number(value: Json) -> float | None:
    """Return a finite number, given as one or as text."""
    if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def count(value: Json) -> int | None:
    """Return a whole number that is not negative; Azure says -1 where it does not know."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < _NO_LIMIT else None


def left_of(used: float | None) -> tuple[int | None, int | None]:
    """Return a limit of 100, and what is left of it where so many percent are used."""
    return (None, None) if used is None else (100, round(max(0.0, min(100.0, 100 - used))))


def duration(value: str) -> float | None:
    """Return the seconds of a duration such as `1h5m45.6s` or `26ms`."""
    parts = _GO.findall(value)
    if not parts or "".join(amount + unit for amount, unit in parts) != value:
        return None
    seconds = 0.0
    for amount, unit in parts:
        found = number(amount)
        if found is None:
            return None
        seconds += found * _UNITS[unit]
    return seconds if seconds < _LAST else None


def moment(value: Json, now: float) -> float | None:
    """Return a reset, in whichever way it is written, as seconds since the epoch."""
    seconds = number(value)
    if seconds is None and isinstance(value, str):
        seconds = duration(value)
        if seconds is None:
            return _date(value)
    if seconds is None or seconds < 0:
        return None
    if seconds >= _EPOCH_MILLISECONDS:
        seconds /= 1000
    elif seconds < _EPOCH_SECONDS:
        seconds += now
    return seconds if seconds < _LAST else None


def wait(value: Json, now: float) -> float | None:
    """Return the seconds of a `retry-after`: a number, a duration, or an HTTP date."""
    seconds = number(value)
    if seconds is None and isinstance(value, str):
        seconds = duration(value)
        if seconds is None:
            try:
                seconds = max(0.0, parsedate_to_datetime(value).timestamp() - now)
            except (ValueError, OverflowError):
                return None
    return seconds if seconds is not None and 0 <= seconds < _LAST else None


def period(seconds: Json) -> str | None:
    """Return a length of time as people say it: 60 is `minute`, 18000 `5 hours`."""
    length = count(seconds)
    if not length:
        return None
    size, unit = next((size, unit) for size, unit in _PERIODS if length % size == 0)
    return several(length // size, unit)


def seconds_of(span: str | None) -> float | None:
    """Return the seconds of a period such as `minute` or `5 hours`; None where it is none."""
    amount, _, unit = (span or "").rpartition(" ")
    size = _LENGTHS.get(unit.removesuffix("s"))
    if size is None or (amount and not amount.isdecimal()):
        return None
    return float(int(amount or 1) * size)


def several(amount: int, unit: str) -> str:
    """Return an amount of a unit: `day`, `7 days`."""
    return unit if amount == 1 else f"{amount} {unit}s"


def _date(value: str) -> float | None:
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return None
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return seconds if 0 <= seconds < _LAST else None
