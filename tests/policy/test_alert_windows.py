"""Windows of alerts: calendars know the zone and the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.alert_windows import Window, parse

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("hour", "2026-03-29T14:00+02:00", "2026-03-29T15:00+02:00"),
        ("day", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),  # 23 hours
        ("week", "2026-03-23T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("month", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        ("15m", "2026-03-29T14:15+02:00", "2026-03-29T14:30+02:00"),
        ("7d", "2026-03-22T12:30+00:00", "2026-03-29T12:30+00:00"),
    ],
)
def test_bounds(name: str, since: str, until: str) -> None:
    now = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)
    found = parse(name).bounds(now, BERLIN)
    assert [each.timestamp() for each in found] == [
        datetime.fromisoformat(each).timestamp() for each in (since, until)
    ]


@given(
    st.sampled_from(["hour", "day", "week", "month"]),
    st.integers(1_577_836_800, 2_051_222_400),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "UTC"]),
)
def test_a_period_holds_its_time_and_the_next_begins_where_it_ends(
    name: str, at: int, zone: str
) -> None:
    now, place = datetime.fromtimestamp(at, UTC), ZoneInfo(zone)
    since, until = parse(name).bounds(now, place)
    assert since <= now < until
    after, _ = parse(name).bounds(until.astimezone(UTC), place)
    assert after.timestamp() == until.timestamp()


@given(st.integers(1, 31 * 24 * 60))
def test_a_span_is_written_as_it_is_read(minutes: int) -> None:
    window = Window(seconds=minutes * 60)
    assert parse(str(window)) == window
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert window.bounds(now) == (now - timedelta(minutes=minutes), now)


def test_words() -> None:
    names = ("hour", "day", "1m", "15m", "1h", "24h", "48h", "7d")
    assert [parse(name).words for name in names] == [
        "this hour",
        "today",
        "in the last minute",
        "in the last 15 minutes",
        "in the last hour",
        "in the last 24 hours",
        "in the last 2 days",
        "in the last 7 days",
    ]
