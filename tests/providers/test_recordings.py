"""Real traffic, recorded by others: every field as it truly was, every stream the same however it is cut.

The recordings are no part of this repository; they lie beside the checkout, and without them these tests are skipped.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from llmitm.calls import Answer
from providers import recordings
from providers.recordings import Recording

PROVIDERS = recordings.providers()
BYTE_BY_BYTE = 20_000
"""Bytes up to which a stream is fed one by one."""
ACCURACY = Path(__file__).parents[2] / "docs" / "accuracy.md"

pytestmark = pytest.mark.skipif(not PROVIDERS, reason="there are no recordings beside the checkout")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_differs_from_the_truth_is_known(provider: str) -> None:
    found: Counter[tuple[str, str, str]] = Counter()
    for recording in recordings.recordings(provider):
        for difference in recordings.differences(recording):
            print(*difference, sep="\n    ")
            found[provider, recording.endpoint, difference.field] += 1
    expected = {place: calls for place, calls in recordings.known().items() if place[0] == provider}
    assert found == expected


def test_the_figures_in_the_documentation_are_those_measured() -> None:
    rows = recordings.table(PROVIDERS)
    assert [row for row in rows if row not in ACCURACY.read_text("utf-8")] == []
    shares = {row.split("|")[1].strip(): float(row.split("|")[-2].strip(" %")) for row in rows}
    assert {name: share for name, share in shares.items() if share < 99} == {}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_is_the_same_however_it_is_cut(provider: str) -> None:
    for recording in recordings.recordings(provider):
        body = b"".join(recording.exchange().chunks)  # a socket has none
        whole = read(recording, [body])
        if not whole[1]:
            continue
        for seed in range(2):
            assert read(recording, cut(body, seed)) == whole, recording.id
        if len(body) <= BYTE_BY_BYTE:
            single = (body[at : at + 1] for at in range(len(body)))
            assert read(recording, single) == whole, recording.id


def read(recording: Recording, pieces: Iterable[bytes]) -> tuple[Answer, bool]:
    exchange = recording.exchange()
    exchange.chunks = list(pieces)
    exchange.chunk_times = [0.0] * len(exchange.chunks)
    call = recordings.finished(exchange)
    assert not any("could not be read" in note for note in call.notes)
    return call.answer, call.streaming


def cut(body: bytes, seed: int) -> Iterable[bytes]:
    sizes, start = random.Random(seed), 0
    while start < len(body):
        end = start + sizes.randint(1, 2_000)
        yield body[start:end]
        start = end
