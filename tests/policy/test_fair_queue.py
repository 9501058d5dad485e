"""Who waits goes by priority, then client by client, then by who came first; nobody is forgotten."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.fair_queue import FairQueue

COMERS = st.lists(st.tuples(st.integers(-2, 2), st.sampled_from("abc")), max_size=40)


def emptied(queue: FairQueue[int]) -> list[int]:
    taken = []
    while queue:
        first = queue.first()
        taken.append(queue.take())
        assert taken[-1] == first
    return taken


@given(COMERS)
def test_all_that_came_goes_once_and_by_priority(comers: list[tuple[int, str]]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (priority, client) in enumerate(comers):
        queue.put(number, priority, client)
    assert len(queue) == len(comers)
    taken = emptied(queue)
    assert sorted(taken) == list(range(len(comers)))
    priorities = [comers[number][0] for number in taken]
    assert priorities == sorted(priorities, reverse=True)


@given(COMERS)
def test_within_a_priority_clients_take_turns_and_each_keeps_its_order(
    comers: list[tuple[int, str]],
) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (priority, client) in enumerate(comers):
        queue.put(number, priority, client)
    taken = emptied(queue)
    for priority in range(-2, 3):
        mine = [number for number in taken if comers[number][0] == priority]
        for client in "abc":
            own = [number for number in mine if comers[number][1] == client]
            assert own == sorted(own)
        # As long as all of them wait none has gone twice more often than another.
        waiting = Counter(comers[number][1] for number in mine)
        gone: Counter[str] = Counter()
        for number in mine:
            gone[comers[number][1]] += 1
            still = [client for client in waiting if gone[client] < waiting[client]]
            assert max(gone.values()) - min((gone[client] for client in still), default=99) <= 1


@given(COMERS, st.data())
def test_who_leaves_is_not_taken(comers: list[tuple[int, str]], data: st.DataObject) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (priority, client) in enumerate(comers):
        queue.put(number, priority, client)
    left = data.draw(st.sets(st.sampled_from(range(len(comers))))) if comers else set()
    for number in left:
        queue.remove(number, *comers[number])
    assert sorted(emptied(queue)) == sorted(set(range(len(comers))) - left)


def test_what_does_not_wait_cannot_be_taken() -> None:
    queue: FairQueue[int] = FairQueue()
    assert queue.first() is None
    with pytest.raises(IndexError):
        queue.take()
    with pytest.raises(ValueError, match="does not wait"):
        queue.remove(1, 0, "a")
