"""Sockets: every sample makes the expected calls, and no frame whatever makes a reader raise."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Finished, Json
from llmitm.providers import hosts
from llmitm.providers.sockets import SocketFrame
from llmitm.reading import Reader
from llmitm_pricing import PriceTable
from providers.odd import ODD
from providers.samples import STARTED_AT, plain, socket_calls, socket_cases, socket_frames

CASES = socket_cases()
LATER = 10.0


@cache
def reader() -> Reader:
    return Reader(hosts.load(), PriceTable.load())


def read(case: Path) -> list[Finished]:
    calls, frames = socket_calls(case), list(socket_frames(case))
    exchanges = [exchange for frame in frames for exchange in calls.feed(frame)]
    exchanges += calls.close(frames[-1].at + LATER)
    return [reader().read(exchange) for exchange in exchanges]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_sample(case: Path) -> None:
    expected = json.loads((case / "turns.json").read_text("utf-8"))
    turns = read(case)
    assert not reader().faults
    assert [_seen(turn, wanted) for turn, wanted in zip(turns, expected, strict=True)] == expected


def _seen(turn: Finished, wanted: Json) -> Json:
    """Return of a call what an expectation names."""
    seen: dict[str, Json] = {
        "status": turn.exchange.status,
        "latency_ms": _rounded(turn.exchange.latency_ms),
        "first_content_ms": _rounded(turn.first_content_ms),
        "rate_limits": [plain(limit) for limit in turn.rate_limits],
        "usd": None if turn.charge.usd is None else str(round(turn.charge.usd, 9).normalize()),
        "unpriced": turn.charge.unpriced_reason,
    }
    for name in ("endpoint", "prompt", "answer"):
        fields = plain(getattr(turn, name))
        seen[name] = {key: fields[key] for key in wanted.get(name, {})}
    found = {name: seen[name] for name in wanted if name in seen}
    if "usd" in wanted:
        found["usd"] = (
            wanted["usd"] if Decimal(wanted["usd"]) == Decimal(seen["usd"]) else seen["usd"]
        )
    if "unpriced" in wanted and wanted["unpriced"] in (seen["unpriced"] or ""):
        found["unpriced"] = wanted["unpriced"]
    for name, record in (("usage", turn.answer.usage), ("reported", turn.answer.reported)):
        known = {key: value for key, value in plain(record).items() if value not in (None, {})}
        if name in wanted or known not in ({}, {"source": "none"}):
            found[name] = known
    if "outcome" in wanted or turn.outcome != "ok":
        found["outcome"] = turn.outcome
    return found


def _rounded(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_socket_may_end_anywhere(case: Path) -> None:
    """However few frames there are, what has ended is the same, and nothing is counted twice."""
    frames, whole = list(socket_frames(case)), read(case)
    for end in range(len(frames)):
        calls = socket_calls(case)
        ended = [exchange for frame in frames[:end] for exchange in calls.feed(frame)]
        answers = [reader().read(exchange).answer for exchange in ended]
        assert answers == [turn.answer for turn in whole[: len(answers)]]
        rest = calls.close(STARTED_AT + LATER)
        assert ended or rest
        assert all(reader().read(exchange).outcome in ("ok", "cancelled") for exchange in rest)
    assert not reader().faults


def frames_like(case: Path) -> st.SearchStrategy[list[SocketFrame]]:
    """Return strategies of frames: those of a sample in any order and with any fields, and anything at all."""
    known = list(socket_frames(case))
    documents = [mapping for frame in known if isinstance(mapping := _json(frame.data), dict)]
    names = sorted({key for document in documents for key in document} - {"type"})
    types = [document["type"] for document in documents if "type" in document] or ["response.done"]
    odd = st.builds(
        lambda kind, fields: json.dumps({"type": kind, **fields}).encode(),
        st.sampled_from(types) | ODD,
        st.dictionaries(st.sampled_from(names), ODD, max_size=4),
    )
    data = st.sampled_from([frame.data for frame in known]) | odd | st.binary(max_size=30)
    frame = st.builds(
        SocketFrame,
        st.booleans(),
        data,
        st.booleans(),
        st.floats(STARTED_AT, STARTED_AT + 1e6),
    )
    return st.lists(frame, max_size=12)


def _json(data: bytes) -> Json:
    try:
        return json.loads(data)
    except ValueError:
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
@settings(max_examples=40)
@given(data=st.data())
def test_no_frame_makes_it_raise(case: Path, data: st.DataObject) -> None:
    calls = socket_calls(case)
    exchanges = []
    for frame in data.draw(frames_like(case)):
        exchanges += calls.feed(frame)
    exchanges += calls.close(STARTED_AT)
    assert exchanges
    for exchange in exchanges:
        reader().read(exchange)
    assert not reader().faults


def test_there_are_samples() -> None:
    assert len(CASES) > 12
