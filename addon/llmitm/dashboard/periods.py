"""The time axis: which stretches it is cut into, under the names that sums by time have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

Period = Literal["minute", "5 minutes", "hour", "day", "week", "month"]
PERIODS: tuple[Period, ...] = ("minute", "5 minutes", "hour", "day", "week", "month")
MOST_SLOTS = 400
_LENGTHS = {
    "minute": timedelta(minutes=1),
    "5 minutes": timedelta(minutes=5),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=28),
}
_LONGEST: tuple[tuple[Period, timedelta], ...] = (
    ("minute", timedelta(hours=1)),
    ("5 minutes", timedelta(hours=6)),
    ("hour", timedelta(days=3)),
    ("day", timedelta(days=93)),
    ("week", timedelta(days=400)),
)
_SUMMED = {"5 minutes": "minute", "week": "day"}
_FORMS = {
    "minute": "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:00",
    "day": "%Y-%m-%d",
    "month": "%Y-%m",
}


class Stretch(NamedTuple):
    """A piece of the time axis."""

    start: datetime
    end: datetime


def fitting(since: datetime, until: datetime) -> Period:
    """Return the period that makes a chart of some dozen bars."""
    length = until - since
    return next((period for period, most in _LONGEST if length <= most), "month")


def possible(since: datetime, until: datetime) -> list[Period]:
    """Return the periods that make neither one bar nor too many."""
    length = until - since
    return [
        period
        for period in PERIODS
        if length / _LENGTHS[period] <= MOST_SLOTS and length >= _LENGTHS[period]
    ] or [fitting(since, until)]


def summed(period: Period) -> str:
    """Return the dimension that sums are asked by."""
    return _SUMMED.get(period, period)


def start(time: datetime, period: Period) -> datetime:
    """Return when the period of a time begins."""
    if period == "minute":
        return time.replace(second=0, microsecond=0)
    if period == "5 minutes":
        return time.replace(minute=time.minute // 5 * 5, second=0, microsecond=0)
    if period == "hour":
        return time.replace(minute=0, second=0, microsecond=0)
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period == "month" else midnight


def stretches(since: datetime, until: datetime, period: Period, *, utc: bool) -> Iterator[Stretch]:
    """Yield the periods of a time, in order."""
    at = _in_zone(start(_in_zone(since, utc=utc), period), utc=utc)
    while at < until:
        if period == "month":
            after = (at + timedelta(days=32)).replace(day=1)
        else:
            after = at + _LENGTHS[period]
        if period in ("day", "week", "month"):  # a day may have 23 or 25 hours
            after = _in_zone(after.replace(tzinfo=UTC if utc else None), utc=utc)
        yield Stretch(at, after)
        at = after


def parsed(label: str, period: Period, *, utc: bool) -> datetime:
    """Return the beginning of the period that a label of sums stands for."""
    time = datetime.strptime(label, _FORMS[summed(period)])  # noqa: DTZ007  (the zone comes next)
    return _in_zone(start(time, period).replace(tzinfo=UTC if utc else None), utc=utc)


def short(stretch: Stretch, period: Period, since: datetime) -> str:
    """Return a label for the axis."""
    at = stretch.start
    if period in ("minute", "5 minutes", "hour"):
        return f"{at:%H:%M}" if at.date() == since.date() or at.hour else f"{at:%a %d}"
    return f"{at:%b %Y}" if period == "month" else f"{at.day} {at:%b}"


def full(stretch: Stretch, period: Period) -> str:
    """Return a label that says all."""
    at = stretch.start
    if period in ("minute", "5 minutes", "hour"):
        return f"{at:%a %Y-%m-%d %H:%M}"
    if period == "week":
        return f"week of {at:%Y-%m-%d}"
    return f"{at:%B %Y}" if period == "month" else f"{at:%a %Y-%m-%d}"


def _in_zone(time: datetime, *, utc: bool) -> datetime:
    return time.astimezone(UTC) if utc else time.astimezone()
