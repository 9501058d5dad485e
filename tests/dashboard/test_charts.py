"""Charts: places and labels as they must be."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from llmitm.dashboard import periods
from llmitm.dashboard.changes import change
from llmitm.dashboard.charts.bars import bar
from llmitm.dashboard.charts.colours import family, shades
from llmitm.dashboard.charts.curve import curve
from llmitm.dashboard.charts.sparkline import sparkline
from llmitm.dashboard.charts.stacks import Series, Slot, stacks
from llmitm.dashboard.charts.svg import top
from llmitm.dashboard.charts.waterfall import Span, waterfall
from llmitm.dashboard.periods import PERIODS, Period


def parsed(drawn: Markup) -> Xml.Element:
    return Xml.fromstring(str(drawn))


def test_stacked_bars() -> None:
    slots = [
        Slot("Mon", "Monday", "/calls?since=1"),
        Slot("Tue", "Tuesday", None),
        Slot("Wed", "Wednesday", None),
    ]
    series = [Series("a", "c-openai", [1, 0, 3]), Series("<b>", "c-0", [1, 0, 1], "/calls?model=b")]
    figure = parsed(stacks("calls by model", slots, series, lambda amount: f"{amount:.0f}"))
    rects = [rect for rect in figure.iter("rect") if rect.get("class") != "hit"]
    heights = [float(rect.get("height", "0")) for rect in rects]
    assert heights == [50, 50, 150, 50]
    assert sum(heights[2:]) == 200  # the highest reaches the top of an axis that ends at 4
    for rect in rects:
        assert 0 <= float(rect.get("y", "-1")) <= 200
    assert [link.get("href") for link in figure.iter("a")] == [
        "/calls?since=1",
        "/calls?model=b",
        "/calls?since=1",
    ]
    tips = [group.get("data-tip") for group in figure.iter("g")]
    assert tips[2] is not None
    assert tips[2].split() == ["Wednesday", "4", "a", "3", "<b>", "1"]
    cells = [[cell.text for cell in row] for row in figure.iter("tr")]
    assert cells[1][1:] == ["2", "1", "1"]
    assert len(cells) == 3  # Tuesday has nothing


def test_charts_of_nothing() -> None:
    parsed(stacks("nothing", [], [], str))
    parsed(stacks("zeros", [Slot("a", "a")], [Series("s", "c-0", [0])], str))
    parsed(curve("nothing", [], str, []))
    parsed(waterfall([], 0, str))
    parsed(bar(None, None))
    assert sparkline([1]) == ""
    parsed(sparkline([0, 0, 0], "flat"))


@given(st.floats(1e-9, 1e15))
def test_axes_end_at_round_numbers(most: float) -> None:
    end = top(most)
    assert most * 0.99999 <= end <= most * 2
    assert f"{end:.1e}"[:3] in {"1.0", "1.5", "2.0", "2.5", "3.0", "4.0", "5.0", "6.0", "8.0"}


def test_waterfall() -> None:
    table = parsed(
        waterfall([Span("a", "", 0, 250, "c-new"), Span("b", "", 250, 1000, "c-out")], 1000, str)
    )
    places = [
        (float(rect.get("x", "")), float(rect.get("width", ""))) for rect in table.iter("rect")
    ]
    assert places == [(0, 250), (250, 750)]


def test_families_have_one_colour_and_models_shades_of_it() -> None:
    assert family("openai") == "c-openai"
    assert family("vertex") == family("gemini")
    assert family("somebody-new") == family("somebody-new")
    assert shades(["openai", "anthropic", "openai"]) == [
        "c-openai s0",
        "c-anthropic s0",
        "c-openai s1",
    ]


@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize("period", PERIODS)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.floats(0.1, 20))  # noqa: DTZ001
def test_stretches_follow_one_another_and_hold_every_time(
    utc: bool, period: Period, begin: datetime, length: float
) -> None:
    since = begin.replace(tzinfo=UTC).astimezone()
    until = since + timedelta(hours=length) * {"minute": 0.2, "5 minutes": 1, "hour": 5}.get(
        period, 60
    )
    found = list(periods.stretches(since, until, period, utc=utc))
    assert found[0].start <= since
    assert found[-1].end >= until
    assert all(one.end == other.start for one, other in pairwise(found))
    forms = {
        "minute": "%Y-%m-%d %H:%M",
        "hour": "%Y-%m-%d %H:00",
        "day": "%Y-%m-%d",
        "month": "%Y-%m",
    }
    label = (since.astimezone(UTC) if utc else since).strftime(forms[periods.summed(period)])
    assert periods.parsed(label, period, utc=utc) == found[0].start


def test_fitting_periods() -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    chosen = [
        periods.fitting(now - timedelta(hours=hours), now)
        for hours in (0.25, 5, 24, 24 * 30, 24 * 200, 24 * 900)
    ]
    assert chosen == ["minute", "5 minutes", "hour", "day", "week", "month"]


def test_changes() -> None:
    assert change(1, None) is None
    assert change(1, 0) is None
    up, down, same, many = change(3, 2), change(1, 2), change(2, 2), change(100, 2)
    assert up
    assert down
    assert same
    assert many
    assert (up.text, up.kind("down"), down.text, down.kind("down")) == (
        "+50%",
        "bad",
        "−50%",
        "good",
    )
    assert (same.text, same.kind("up"), many.text) == ("±0%", "", "×50")
