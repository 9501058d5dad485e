"""Runs, sessions and conversations as wholes; calls beside a call; and what charts ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.logged import RUN, SESSION, SINGLE, TURNS, write
from llmitm.store import charts, groups
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader, reading


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("groups") / "llmitm.db"
    write(path, time.time())
    with reading(path) as found:
        yield found


def test_a_group_is_whole_even_where_the_filter_fits_one_of_its_calls(log: Reader) -> None:
    latest = log.recent(Filter(session=SESSION), 1)[0]
    since = datetime.fromtimestamp(latest["started_at"] / 1000, UTC)
    found, more = groups.latest(log, "session", Filter(since=since), 10)
    assert [(group["name"], group["calls"], group["cost_nanousd"]) for group in found] == [
        (SESSION, TURNS, TURNS * 10_000_000)
    ]
    assert more is None


def test_kinds(log: Reader) -> None:
    (run,), _ = groups.latest(log, "run", Filter(), 10)
    assert (run["name"], run["threads"], run["models"]) == (RUN, 1, ["claude-opus-4-6"])
    assert run["largest_context"] == 2_000 + (TURNS - 1) * 1_000
    conversations, more = groups.latest(log, "thread", Filter(), 500)
    assert len(conversations) == SINGLE + 1
    assert more is None
    ends = [group["ended"] for group in conversations]
    assert max(ends) == conversations[0]["ended"]
    few, more = groups.latest(log, "thread", Filter(), 5)
    assert [group["name"] for group in few] == [group["name"] for group in conversations[:5]]
    assert more is not None


def test_one_group(log: Reader) -> None:
    calls = groups.calls(log, "session", SESSION)
    assert len(calls) == TURNS
    assert calls == sorted(calls, key=lambda call: call["started_at"])
    thread = groups.calls(log, "thread", calls[0]["id"])
    assert [call["id"] for call in thread] == [call["id"] for call in calls]
    assert groups.one(log, "session", "nobody") is None
    assert groups.one(log, "thread", "nobody") is None


def test_neighbours(log: Reader) -> None:
    ids = [call["id"] for call in groups.calls(log, "session", SESSION)]
    for number, identity in enumerate(ids):
        beside = groups.neighbours(log, log.call(identity))
        assert beside.thread == ids[0]
        assert beside.earlier == (ids[number - 1] if number else None)
        assert beside.later == (ids[number + 1] if number + 1 < TURNS else None)
        assert beside.parent == beside.earlier
        assert beside.children == ([beside.later] if beside.later else [])


def test_times_leave_out_what_failed(log: Reader) -> None:
    times = charts.times(log, Filter(session=SESSION))
    assert (times.calls, times.latency_p50, times.latency_p95) == (TURNS, 4_000, 4_000)
    everything = charts.times(log, Filter(user="ada"))
    fine = [
        call["latency_ms"]
        for call in log.recent(Filter(user="ada"), 500)
        if call["outcome"] == "ok"
    ]
    assert everything.calls == len(fine)
    assert everything.latency_p50 == charts.quantiles(fine, [0.5])[0]


def test_facets_count_what_fits(log: Reader) -> None:
    facets, number = charts.facets(log, Filter(user="grace"), 5)
    by_name = {facet.dimension: dict(facet.values) for facet in facets}
    assert by_name["user"] == {"grace": number}
    assert sum(by_name["model"].values()) == number
    assert set(by_name["property:workflow"]) == {"triage", "report"}


def test_names_and_bounds(log: Reader) -> None:
    assert charts.property_names(log) == ["tag", "workflow"]
    begins = charts.first_hour(log)
    first = log.recent(Filter(), 1_000)[-1]["started_at"]
    assert begins is not None
    assert 0 <= first / 1000 - begins.timestamp() < 3_600
    now = datetime.now(UTC)
    day = Filter(since=now - timedelta(days=1))
    past = charts.before(day, now)
    assert past is not None
    assert (past.since, past.until) == (now - timedelta(days=2), day.since)
    assert charts.before(Filter(), now) is None
    assert charts.bounds(Filter(), begins, now) == (begins, now)


def test_sums_by_the_minute_are_those_by_the_hour(log: Reader, tmp_path: Path) -> None:
    minutes = log.sums(Filter(), ["minute", "model"])
    hours = {sums.by: sums for sums in log.sums(Filter(), ["hour", "model"])}
    added: dict[tuple[str, ...], int] = {}
    for sums in minutes:
        hour = (f"{sums.by[0][:13]}:00", sums.by[1])
        added[hour] = added.get(hour, 0) + sums.calls
    assert added == {by: sums.calls for by, sums in hours.items()}
