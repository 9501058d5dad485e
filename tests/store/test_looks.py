"""What the dashboard's reports ask the log, each with an end to how much is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm.calls import CacheUse, Identity, Usage
from llmitm.store import bounded, failures, given_again, speeds, steps, sums
from llmitm.store.clients import clients
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader
from llmitm.store.speeds import Speeds
from llmitm.store.writer import Writer
from store.records import START, chat

DAY = 86_400


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Reader]:
    """A log of ten calls, a minute apart: even ones of a fast model, odd ones of a slow one; the last two failed."""
    writer = Writer(tmp_path / "log.db")
    for number in range(10):
        slow = number % 2 == 1
        call = chat(
            f"Question {number}",
            at=START + number * 60,
            model="slow" if slow else "fast",
            provider="there" if slow else "here",
            latency_ms=(2_000 if slow else 200) + number,
            usage=Usage("reported", 100, 90),
            usd=Decimal("0.001"),
            outcome="error" if number > 7 else "ok",
            status=500 if number > 7 else 200,
            identity=Identity(
                client=f"program/{number // 5}",
                properties={"Agent": "a" if number < 6 else "b", "Step": str(number % 3)},
            ),
        )
        writer.write([replace(call, first_content_ms=1_100.0 if slow else None)])
    writer.close()
    reader = Reader(tmp_path / "log.db")
    yield reader
    reader.close()


def test_speeds(log: Reader) -> None:
    found = speeds.speeds(log, Filter(), [("here", "fast"), ("there", "slow"), ("there", "fast")])
    assert found["there", "fast"] == Speeds(0, None, None, None, None, None)
    fast, slow = found["here", "fast"], found["there", "slow"]
    assert (fast.calls, fast.latency_p95, fast.first_p50) == (4, 206, None)
    assert fast.tokens_a_second is None
    assert (slow.calls, slow.latency_p50, slow.first_p50) == (4, 2_005, 1_100)
    assert slow.tokens_a_second == pytest.approx(90 / 0.905, rel=0.01)


def test_speeds_since_a_time(log: Reader) -> None:
    since = datetime.fromtimestamp(START + 4 * 60, UTC)
    found = speeds.speeds(log, Filter(since=since), [("here", "fast")])
    assert found["here", "fast"].calls == 2


def test_bounded(log: Reader) -> None:
    wanted, is_cut = bounded.latest(log, Filter(), 4)
    assert is_cut
    assert [call["prompt"] for call in log.recent(wanted, 10)] == [
        f"Question {number}" for number in (9, 8, 7, 6)
    ]
    assert len(log.bases(wanted)) == 4
    asked = Filter(model="fast")
    assert bounded.latest(log, asked, 20) == (asked, False)


def test_steps_that_are_cut(log: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = steps.tree(log, Filter(), ["agent", "step"])
    assert (whole.looked_at, whole.is_cut) == (10, False)
    assert [(node.value, node.calls, len(node.below)) for node in whole.nodes] == [
        ("a", 6, 3),
        ("b", 4, 3),
    ]
    assert steps.values(log, Filter(), "agent") == 10
    monkeypatch.setattr(steps, "MOST_LOOKED_AT", 3)
    assert not steps.tree(log, Filter(), ["agent"]).is_cut
    cut = steps.tree(log, Filter(text="Question"), ["agent"])
    assert (cut.looked_at, cut.is_cut) == (3, True)
    assert [(node.value, node.calls) for node in cut.nodes] == [("b", 3)]


def test_a_step_without_a_name(log: Reader) -> None:
    (node,) = steps.tree(log, Filter(properties={"agent": "b"}), ["agent", "task"]).nodes
    assert [(each.value, each.calls) for each in node.below] == [("", 4)]


@pytest.mark.parametrize("names", [["agent"], ["agent", "step"], ["step", "task"]])
@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(model="slow"), Filter(properties={"step": "1"})]
)
def test_kept_sums_say_what_the_calls_do(
    log: Reader, wanted: Filter, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = steps.tree(log, wanted, names)
    monkeypatch.setattr(sums, "are_kept", lambda *_: False)
    assert steps.tree(log, wanted, names) == kept


def test_steps_by_every_filter(log: Reader) -> None:
    for wanted, calls in (
        (Filter(model="sl*"), 5),
        (Filter(provider="here"), 5),
        (Filter(text="Question 3"), 1),
        (Filter(errors=True), 2),
        (Filter(user="nobody"), 0),
    ):
        assert steps.tree(log, wanted, ["agent"]).looked_at == calls, wanted


def test_failures(log: Reader) -> None:
    rows = [kind for _, kind in failures.failed(log, Filter(), "day", utc=True)]
    assert {kind.providers for kind in rows} == {("here",), ("there",)}
    (kind,) = failures.kinds(rows)
    assert (kind.name, kind.calls, kind.providers) == ("500", 2, ["here", "there"])
    assert kind.last_at == round((START + 9 * 60) * 1000)
    assert failures.kinds(
        kind for _, kind in failures.failed(log, Filter(provider="here"), "hour")
    ) == [failures.Kind("500", "error", 500, 1, ["here"], round((START + 8 * 60) * 1000))]


def test_clients(log: Reader) -> None:
    found = clients(log, 10)
    assert [(each.name, each.calls, each.errors) for each in found] == [
        ("program/0", 5, 0),
        ("program/1", 5, 2),
    ]
    assert found[0].providers == "here, there"
    assert found[0].last_day == int(START // DAY) * DAY * 1000


def test_what_the_cache_saved(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "log.db")
    first = chat("Again?", at=START, latency_ms=3_000)
    first.exchange.cache = CacheUse("miss")
    again = chat("Again?", at=START + 60, latency_ms=4)
    again.exchange.cache = CacheUse("hit", source_id=first.exchange.id)
    other = chat("Something else", at=START + 120)
    writer.write([first, again, other])
    writer.close()
    reader = Reader(tmp_path / "log.db")
    try:
        assert given_again.asked(reader, Filter()) == given_again.Asked(3, 2, 1, 2_996)
        assert given_again.asked(reader, Filter(user="nobody")) == given_again.Asked(0, 0, 0, 0)
    finally:
        reader.close()
