"""What is told of the answers that are kept: those that are given most, and how old they are."""

from __future__ import annotations

from pathlib import Path

from answers.given import NOW, answer, key
from llmitm.answers import inventory
from llmitm.answers.store import AnswerStore


def test_most_given_and_ages(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    assert inventory.most_given(path, 5) == []
    assert inventory.ages(path, NOW, [60, 3_600]) == [0, 0, 0]
    store = AnswerStore(path, 1_000_000, clock=lambda: NOW)
    for number, age in enumerate((10, 50, 600, 86_400)):
        store.save(key(number), 1, answer(number, max_age=10**6, now=NOW - age))
    store.flush()
    for number, times in ((2, 3), (0, 1)):
        for _ in range(times):
            store.reads.submit(store.look_up, key(number)).result()
    store.flush()
    store.close()
    found = inventory.most_given(path, 5)
    assert [(entry.call_id, entry.hits) for entry in found] == [("call 2 0", 3), ("call 0 0", 1)]
    assert inventory.most_given(path, 1) == found[:1]
    assert inventory.ages(path, NOW, [60, 3_600]) == [2, 1, 1]
