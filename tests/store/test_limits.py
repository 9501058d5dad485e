"""What the log tells of rate limits: what they are now, how long they last, who ran into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llmitm.calls import Attempt, Finished, RateLimit, Usage
from llmitm.errors import LlmitmError
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader
from llmitm.store.writer import Writer
from store.records import START, chat, identified

EVERYTHING = Filter(since=datetime.fromtimestamp(START - 86_400, UTC))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "llmitm.db")
    yield writer
    writer.close()


@pytest.fixture
def reader(writer: Writer, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path / "llmitm.db")
    yield reader
    reader.close()


def told(call: Finished, *limits: RateLimit) -> Finished:
    return replace(call, rate_limits=limits)


def requests(remaining: int, resets_at: float, period: str | None = "minute") -> RateLimit:
    return RateLimit("requests", 100, remaining, resets_at, period)


def test_the_latest_word_of_each_limit_and_the_least(writer: Writer, reader: Reader) -> None:
    writer.write(
        [
            told(chat("a", at=START), requests(20, START + 70)),
            told(chat("b", at=START + 10), requests(50, START + 40)),
            told(chat("c", at=START + 5, model="other"), requests(7, START + 9)),
        ]
    )
    mine, other = reader.limits(Filter(), START + 20)
    assert (mine["model"], mine["limit"], mine["remaining_now"], mine["lowest"]) == (
        "gpt-5.4", 100, 50, 20,
    )  # fmt: skip
    assert mine["resets_in_ms"] == 20_000
    assert (other["model"], other["remaining"], other["remaining_now"]) == ("other", 7, 100)
    assert other["resets_in_ms"] is None
    assert reader.limits(Filter(model="other"), START + 20) == [other]
    assert reader.limits(Filter(provider="nobody"), START + 20) == []


def test_the_least_is_that_of_the_last_day_or_since_when_is_asked(
    writer: Writer, reader: Reader
) -> None:
    now = START + 3 * 86_400
    writer.write(
        [
            told(chat("a", at=START), requests(1, START + 70)),
            told(chat("b", at=now), requests(50, now + 40)),
        ]
    )
    assert [limit["lowest"] for limit in reader.limits(Filter(), now)] == [50]
    assert [limit["lowest"] for limit in reader.limits(EVERYTHING, now)] == [1]


def test_how_long_it_lasts_at_the_rate_of_the_last_minutes(writer: Writer, reader: Reader) -> None:
    calls = [chat(str(number), at=START + number) for number in range(300)]
    tokens = RateLimit("tokens", 10_000, 4_500, START + 900, "hour")
    last = told(calls[-1], requests(30, START + 400), tokens)
    writer.write([chat("long ago", at=START - 900), *calls[:-1], last])
    by_name = {limit["name"]: limit for limit in reader.limits(Filter(), START + 300)}
    assert by_name["requests"]["used_per_minute"] == 60
    assert by_name["requests"]["lasts_ms"] == 30_000
    assert by_name["tokens"]["used_per_minute"] == 60 * 150
    assert by_name["tokens"]["lasts_ms"] == 30_000
    (later, _) = reader.limits(Filter(), START + 601)
    assert (later["lasts_ms"], later["lasts_reason"]) == (None, "not in use now")


def test_cache_reads_do_not_count_at_anthropic(writer: Writer, reader: Reader) -> None:
    limit = RateLimit("input_tokens", 10_000, 9_000, START + 3_000, "minute")
    usage = Usage("reported", input_tokens=300, output_tokens=1, cached_input_tokens=200)
    for provider in ("anthropic", "other"):
        writer.write([told(chat("a", at=START, provider=provider, usage=usage), limit)])
    paces = [limit["used_per_minute"] for limit in reader.limits(Filter(), START + 1)]
    assert paces == [20, 60]


def attempt(status: int, at: float, waited: float) -> Attempt:
    return Attempt(
        "azure", "a.example", "gpt-5.4", at, status, "requests", "slow", 100.0, waited * 1000
    )


def refused(words: str, at: float, wait_ms: float | None = None, **options: Any) -> Finished:
    call = chat(words, at=at, outcome="error", status=429, **options)
    return replace(call, retry_after_ms=wait_ms)


def queued(call: Finished, milliseconds: float) -> Finished:
    call.exchange.queued_ms = milliseconds
    return call


@pytest.fixture
def happened(writer: Writer, reader: Reader) -> Reader:
    """Two refusals of one program, one of them after an attempt; two calls that waited; others."""
    again = replace(refused("b", START + 60, 500.0), attempts=[attempt(429, START + 50, 2.5)])
    blocked = replace(chat("c", at=START, status=429), outcome="blocked")
    program = {"process.program": "agent.py"}
    writer.write(
        [
            identified(refused("a", START, 30_000.0), properties=program, user="ann"),
            identified(again, properties=program, user="bob"),
            queued(chat("d", at=START + 86_400), 700.0),
            queued(chat("e", at=START + 86_401), 800.0),
            replace(chat("f", at=START), attempts=[attempt(500, START, 1)]),
            blocked,
            chat("g", at=START, outcome="error", status=500),
            chat("h", at=START),
        ]
    )
    return reader


def test_who_ran_into_limits(happened: Reader) -> None:
    rows = happened.throttling(EVERYTHING, ["program"])
    assert rows == [
        {"by0": "agent.py", "refused": 3, "retried": 1, "longest_asked_ms": 30_000, "waited_ms": 2500,
         "queued": 0, "queued_ms": 0, "last_at": int(START * 1000) + 60_000},
        {"by0": None, "refused": 0, "retried": 0, "longest_asked_ms": None, "waited_ms": 0,
         "queued": 2, "queued_ms": 1500, "last_at": int(START * 1000) + 86_401_000},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ([], {(): 3}),
        (["user"], {("bob",): 2, ("ann",): 1, ("",): 0}),
        (["provider"], {("openai",): 2, ("azure",): 1}),
        (["day"], {("2023-11-15",): 0, ("2023-11-14",): 3}),
        (["day", "model"], {("2023-11-15", "gpt-5.4"): 0, ("2023-11-14", "gpt-5.4"): 3}),
    ],
)
def test_by_what_one_wants_to_know(
    happened: Reader, by: list[str], found: dict[tuple[str, ...], int]
) -> None:
    rows = happened.throttling(EVERYTHING, by, utc=True)
    shown = {tuple(row[f"by{number}"] for number in range(len(by))): row["refused"] for row in rows}
    assert shown == found
    assert list(shown) == list(found)


def test_only_what_is_wanted(happened: Reader) -> None:
    late = Filter(since=datetime.fromtimestamp(START + 30, UTC))
    assert [row["refused"] for row in happened.throttling(late, [])] == [2]
    assert [row["refused"] for row in happened.throttling(Filter(user="ann"), [])] == [1]
    assert happened.throttling(Filter(user="nobody"), []) == []
    with pytest.raises(LlmitmError, match="'shape' is unknown"):
        happened.throttling(Filter(), ["shape"])
