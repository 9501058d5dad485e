"""A short run of scripts/mutate, on the samples alone: no input raises, is slow, or gives a record that cannot be."""

from __future__ import annotations

import pytest

from mutated import run, sources

SEED = 7
COUNT = 4_000


def test_mutated_samples_are_read() -> None:
    samples = sources.of_samples()
    report = run.run(samples, run.tasks(samples, COUNT, ()), SEED, processes=0)
    assert report.inputs >= COUNT
    assert {result.name: result.faults for result in report.faults} == {}


def test_an_input_is_the_same_each_time() -> None:
    for source in sources.of_samples()[::20]:
        assert source.mutated(SEED, 1) == source.mutated(SEED, 1)
        assert source.mutated(SEED, 1) != source.mutated(SEED + 1, 1)


@pytest.mark.parametrize(
    "name",
    [
        "heavy/bomb, gzip, events",
        "heavy/bomb, deflate, zeros",
        "heavy/bomb, zstd, zeros",
        "heavy/bomb, br, events",
        "heavy/request, secrets, tokens",
        "heavy/request, secrets, keys",
        "heavy/white bytes",
        "heavy/form, one name",
    ],
)
def test_what_expands_or_is_endless_is_bounded(name: str) -> None:
    report = run.run([], [run.Task(name)], SEED, processes=0)
    assert [result.faults for result in report.faults] == []
    assert report.inputs == 1
