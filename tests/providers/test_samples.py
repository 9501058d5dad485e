"""Every sample gives the expected record, whole, byte by byte and in pieces of any size."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from llmitm.calls import Answer
from providers.samples import Sample, cases, load, plain

CASES = cases()


def read(sample: Sample, pieces: Iterable[bytes]) -> tuple[Answer, bool]:
    reader = sample.reader()
    for piece in pieces:
        reader.feed(piece)
    return reader.close(), reader.streamed


def cut(body: bytes, seed: int) -> Iterable[bytes]:
    sizes, start = random.Random(seed), 0
    while start < len(body):
        end = start + sizes.randint(1, 200)
        yield body[start:end]
        start = end


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_sample(case: Path) -> None:
    sample = load(case)
    expected = sample.expected
    answer, streamed = read(sample, [sample.body])

    seen = {
        "endpoint": plain(sample.endpoint),
        "prompt": plain(sample.prompt),
        "answer": plain(answer),
        "batch": plain(answer.batch) if answer.batch else {},
    }
    for part, values in seen.items():
        wanted = expected.get(part, {})
        assert {key: values[key] for key in wanted} == wanted
    for part, record in (("usage", answer.usage), ("reported", answer.reported)):
        known = {key: value for key, value in plain(record).items() if value not in (None, {})}
        assert known == expected.get(part, {"source": "none"} if part == "usage" else {})
    assert streamed is expected.get("streamed", False)

    byte_by_byte = (sample.body[at : at + 1] for at in range(len(sample.body)))
    assert read(sample, byte_by_byte) == (answer, streamed)
    for seed in range(5):
        assert read(sample, cut(sample.body, seed)) == (answer, streamed)


def test_there_are_samples() -> None:
    assert len(CASES) > 30
