"""Times as people read them, local."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (float("inf"), 86_400, "d"))


def local(milliseconds: int) -> datetime:
    """Return a time of the log in local time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone()


def moment(milliseconds: int | None) -> str:
    """Return date and time, to the millisecond."""
    return "–" if milliseconds is None else f"{local(milliseconds):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def day(milliseconds: int | None) -> str:
    """Return a date."""
    return "–" if milliseconds is None else f"{local(milliseconds):%Y-%m-%d}"


def iso(milliseconds: int) -> str:
    """Return a time for machines."""
    return local(milliseconds).isoformat(timespec="milliseconds")


def ago(milliseconds: int | None, now: datetime) -> str:
    """Return how long ago something was, such as `5 min`."""
    return "–" if milliseconds is None else span(max(now.timestamp() * 1000 - milliseconds, 0))


def span(milliseconds: float) -> str:
    """Return a length of time in its largest unit."""
    seconds = milliseconds / 1000
    for most, unit, name in _STEPS:
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    raise AssertionError("the last step has no end")


def length(milliseconds: float) -> str:
    """Return a length of time: `0.85s`, `46s`, `3m 06s`, `2h 05m`, `3d 04h`."""
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 100:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours < 48 else f"{hours // 24}d {hours % 24:02}h"
