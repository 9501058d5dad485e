"""Spans of the calendar, by the wall clock of a zone, and sliding ones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.windows import EVER, period

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("per", "now", "start", "end"),
    [
        ("hour", "2026-06-10T14:35:20", "2026-06-10T14:00", "2026-06-10T15:00"),
        ("day", "2026-06-10T14:35", "2026-06-10", "2026-06-11"),
        ("day", "2026-03-29T12:00", "2026-03-29", "2026-03-30"),
        ("day", "2026-10-25T02:30", "2026-10-25", "2026-10-26"),
        ("week", "2026-11-26T08:00", "2026-11-23", "2026-11-30"),
        ("week", "2026-03-29T23:59:59", "2026-03-23", "2026-03-30"),
        ("month", "2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_the_calendar(per: str, now: str, start: str, end: str) -> None:
    window = period(per).window(at(now), BERLIN)
    assert (window.start, window.end) == (at(start), at(end))


def test_days_on_which_the_clock_is_set() -> None:
    short = period("day").window(at("2026-03-29T12:00"), BERLIN)
    long = period("day").window(at("2026-10-25T12:00"), BERLIN)
    assert (short.end - short.start, long.end - long.start) == (23 * 3600, 25 * 3600)


def test_an_hour_that_there_is_twice_is_two() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    hour = period("hour")
    assert (
        hour.window(first.timestamp(), BERLIN).end == hour.window(second.timestamp(), BERLIN).start
    )


def test_ever() -> None:
    assert period("total").window(1e9).end == EVER


@given(st.floats(1e9, 4e9), st.sampled_from(["60s", "90m", "24h", "30d"]))
def test_a_sliding_window_holds_its_length_and_little_more(now: float, text: str) -> None:
    sliding = period(text)
    assert sliding.sliding is not None
    window = sliding.window(now)
    assert window.start <= now - sliding.sliding + 1e-3
    assert window.start > now - sliding.sliding * (1 + 1 / 59)
    assert now < window.end <= now + sliding.slice_seconds + 1e-3


@given(st.floats(1e9, 4e9), st.sampled_from(["hour", "day", "week", "month"]))
def test_spans_follow_each_other(now: float, text: str) -> None:
    window = period(text).window(now, BERLIN)
    assert window.start <= now < window.end
    assert period(text).window(window.end, BERLIN).start == window.end
    assert period(text).window(window.end - 1, BERLIN) == window


@pytest.mark.parametrize("text", ["", "year", "24", "0h", "5s", "400d", "-1h"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="hour, day, week, month, total"):
        period(text)
