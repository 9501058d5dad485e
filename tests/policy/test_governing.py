"""The governor never sends more than a limit allows, whoever counts it and however; and it keeps nobody for ever."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import RateLimit
from llmitm.policy.governing import FIRST_AT_ONCE, PATIENCE_SECONDS, Governor, LaneName, Ticket
from llmitm.policy.own_limits import OwnLimit

LANE = LaneName("openai", "k", "m")
OTHER = LaneName("openai", "k", "n")


def ticket(priority: int = 0, client: str = "", **uses: float) -> Ticket:
    return Ticket(LANE, {"requests": 1.0, **uses}, priority, client)


class Bucket:
    """A provider whose limit fills up evenly; it tells when it will be full."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit, self.period, self.level, self.at = limit, period, float(limit), 0.0

    def take(self, now: float) -> tuple[bool, int, float]:
        self.level = min(self.limit, self.level + (now - self.at) * self.limit / self.period)
        self.at = now
        allowed = self.level >= 1
        self.level -= allowed
        return allowed, int(self.level), now + (self.limit - self.level) * self.period / self.limit


class Fixed:
    """A provider that counts anew in each period; it tells when that ends."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit, self.period, self.number, self.used = limit, period, -1, 0

    def take(self, now: float) -> tuple[bool, int, float]:
        number = int(now // self.period)
        if number != self.number:
            self.number, self.used = number, 0
        allowed = self.used < self.limit
        self.used += allowed
        return allowed, self.limit - self.used, (number + 1) * self.period


@dataclass
class World:
    """A governor before a provider, with a clock that jumps from event to event."""

    provider: Bucket | Fixed
    governor: Governor = field(default_factory=Governor)
    now: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    answers: list[tuple[float, bool]] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (when, next(self.numbers), what))

    def come(self, made: Ticket, lag: float, latency: float) -> None:
        """A call that is counted `lag` after it was sent, and answered `latency` after that."""
        made.uses = dict(made.uses)
        self.lags[id(made)] = lag, latency
        if self.governor.try_to_go(made, self.now):
            self.go(made)
        else:
            self.governor.wait(made)
            self.move()

    lags: dict[int, tuple[float, float]] = field(default_factory=dict)

    def go(self, made: Ticket) -> None:
        lag, latency = self.lags[id(made)]

        def counted() -> None:
            allowed, remaining, resets_at = self.provider.take(self.now)
            told = RateLimit("requests", self.provider.limit, remaining, resets_at, "minute")

            def answered() -> None:
                self.answers.append((self.now, allowed))
                wait = None if allowed else resets_at - self.now
                self.governor.answered(made, self.now, [told], refused=not allowed, wait=wait)
                self.governor.ended(made)
                self.move()

            self.at(self.now + latency, answered)

        self.at(self.now + lag, counted)

    def move(self) -> None:
        for made in self.governor.release(LANE, self.now):
            self.go(made)
        more_at = self.governor.verdict(LANE, self.now).more_at
        if more_at is not None:
            self.at(max(more_at, self.now + 1e-3), self.move)

    def run(self, until: float = 1e9) -> None:
        while self.events and self.events[0][0] <= until:
            self.now, _, what = heapq.heappop(self.events)
            what()


PROVIDERS = st.builds(
    lambda kind, limit, period: kind(limit, period),
    st.sampled_from([Bucket, Fixed]),
    st.integers(4, 30),
    st.sampled_from([6.0, 60.0]),
)
CALLS = st.lists(
    st.tuples(
        st.floats(1, 100),  # when it comes
        st.floats(0.001, 0.2),  # until it is counted
        st.floats(0.001, 20),  # until it is answered
    ),
    min_size=1,
    max_size=80,
)


@settings(max_examples=200)
@given(PROVIDERS, CALLS)
def test_no_call_is_refused_and_all_are_answered(
    provider: Bucket | Fixed, calls: list[tuple[float, float, float]]
) -> None:
    world = World(provider)
    world.come(ticket(), 0.1, 0.1)  # by which the limit is known
    for when, lag, latency in calls:
        world.at(when, lambda lag=lag, latency=latency: world.come(ticket(), lag, latency))  # type: ignore[misc]
    world.run()
    assert len(world.answers) == len(calls) + 1
    assert all(allowed for _, allowed in world.answers)
    assert world.governor.waiting() == 0


@pytest.mark.parametrize("kind", [Bucket, Fixed])
@pytest.mark.parametrize("latency", [0.05, 3.0])
def test_who_always_wants_more_gets_the_whole_limit(
    kind: type[Bucket | Fixed], latency: float
) -> None:
    world = World(kind(60, 60.0))
    for number in range(900):
        made = ticket(client=str(number % 10))
        world.at(0.0, lambda made=made: world.come(made, 0.01, latency))  # type: ignore[misc]
    world.run(until=600.0)
    assert all(allowed for _, allowed in world.answers)
    assert len(world.answers) >= 0.95 * 600


@settings(max_examples=100)
@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 200), st.floats(0, 30)), min_size=1, max_size=80),
)
def test_in_no_minute_go_more_than_a_limit_of_ones_own(
    limit: int, calls: list[tuple[float, float]]
) -> None:
    governor = Governor([OwnLimit(requests_per_minute=limit)])
    world = World(Fixed(10**6, 60.0), governor)
    sent: list[float] = []
    go = world.go
    world.go = lambda made: (sent.append(world.now), go(made))[1]  # type: ignore[method-assign,func-returns-value,assignment]
    for when, latency in calls:
        world.at(when, lambda latency=latency: world.come(ticket(), 0.01, latency))  # type: ignore[misc]
    world.run()
    assert len(sent) == len(calls)
    for start in sent:
        assert sum(start <= at < start + 60 for at in sent) <= limit


def test_tokens_are_limited_and_put_right() -> None:
    governor = Governor([OwnLimit(tokens_per_minute=1_000)])
    first, second, third = (ticket(tokens=600) for _ in range(3))
    assert governor.try_to_go(first, 0)
    assert not governor.try_to_go(second, 1)
    governor.settle(first, 100)
    assert governor.try_to_go(second, 2)
    governor.settle(second, 900)
    assert not governor.try_to_go(third, 3)
    governor.wait(third)
    more_at = governor.verdict(LANE, 3).more_at
    assert more_at is not None
    assert 62 < more_at < 63
    assert governor.release(LANE, more_at + 0.001) == [third]


def test_a_call_that_is_larger_than_the_limit_goes_when_all_of_it_is_there() -> None:
    governor = Governor([OwnLimit(tokens_per_minute=1_000)])
    assert governor.try_to_go(ticket(tokens=9_000), 0)
    assert not governor.try_to_go(ticket(tokens=1), 1)
    assert governor.try_to_go(ticket(tokens=9_000), 61)


def test_so_many_at_once() -> None:
    governor = Governor([OwnLimit(at_once=2)])
    first, second, third = (ticket() for _ in range(3))
    assert governor.try_to_go(first, 0)
    assert governor.try_to_go(second, 0)
    governor.answered(first, 1)
    assert not governor.try_to_go(third, 1), "its answer has begun, but not ended"
    governor.ended(first)
    assert governor.try_to_go(third, 1)


def test_before_the_first_answer_only_a_few_go() -> None:
    governor = Governor()
    sent = [ticket() for _ in range(FIRST_AT_ONCE)]
    assert all(governor.try_to_go(each, 0) for each in sent)
    late = ticket()
    assert not governor.try_to_go(late, 0)
    governor.wait(late)
    governor.answered(sent[0], 1)
    assert governor.release(LANE, 1) == [late]
    assert all(governor.try_to_go(ticket(), 1) for _ in range(50)), "no limit was told"


def test_where_the_first_answer_takes_long_more_and_more_go_without_it() -> None:
    governor, gone, now = Governor(), [], 100.0
    for _ in range(3):
        while governor.try_to_go(ticket(), now):
            gone.append(now)
        governor.wait(waiting := ticket())
        more_at = governor.verdict(LANE, now).more_at
        governor.leave(waiting)
        assert more_at == now + PATIENCE_SECONDS
        now = more_at
    assert [gone.count(at) for at in (100.0, 102.0, 104.0)] == [4, 4, 8]


def test_after_a_refusal_all_wait_as_long_as_was_told_and_then_go_slowly() -> None:
    governor = Governor()
    first = ticket()
    assert governor.try_to_go(first, 0)
    governor.answered(first, 1, refused=True, wait=20)
    assert not governor.try_to_go(ticket(), 20.9)
    second, third = ticket(), ticket()
    assert governor.try_to_go(second, 21.1)
    assert not governor.try_to_go(third, 21.1), "one at a time after a refusal"
    governor.answered(second, 22)
    assert governor.try_to_go(third, 22)
    assert governor.try_to_go(ticket(), 22)


def test_refusals_without_a_wait_make_pauses_that_grow() -> None:
    governor, now, pauses = Governor(), 0.0, []
    for _ in range(6):
        made = ticket()
        assert governor.try_to_go(made, now)
        governor.answered(made, now, refused=True)
        governor.wait(waiting := ticket())
        more_at = governor.verdict(LANE, now).more_at
        assert more_at is not None
        pauses.append(more_at - now)
        now = more_at
        governor.leave(waiting)
    assert pauses == [1, 2, 4, 8, 8, 8]


def test_lanes_do_not_wait_for_each_other() -> None:
    governor = Governor([OwnLimit(model="m", requests_per_minute=1)])
    assert governor.try_to_go(ticket(), 0)
    assert not governor.try_to_go(ticket(), 0)
    assert governor.try_to_go(Ticket(OTHER), 0)


def test_who_comes_does_not_overtake_who_waits() -> None:
    governor = Governor([OwnLimit(requests_per_minute=1)])
    assert governor.try_to_go(ticket(), 0)
    governor.wait(waiting := ticket())
    assert not governor.try_to_go(ticket(priority=9), 100)
    assert governor.release(LANE, 100) == [waiting]


def test_who_has_waited_long_enough_goes_and_counts() -> None:
    governor = Governor([OwnLimit(requests_per_minute=1)])
    assert governor.try_to_go(ticket(), 0)
    governor.wait(waiting := ticket())
    governor.go_anyway(waiting, 30)
    governor.wait(ticket())
    assert governor.waiting() == 1
    assert governor.release(LANE, 61) == [], "the one that went anyway has used the minute"


@pytest.mark.parametrize(
    ("limit", "lane", "holds"),
    [
        (OwnLimit(at_once=1), LANE, True),
        (OwnLimit(provider="OpenAI", model="m*", at_once=1), LANE, True),
        (OwnLimit(provider="openai", model="x*", at_once=1), LANE, False),
        (OwnLimit(key="k2", at_once=1), LANE, False),
    ],
)
def test_which_calls_a_limit_is_for(limit: OwnLimit, lane: LaneName, holds: bool) -> None:
    assert limit.matches(*lane) is holds


def test_a_limit_has_to_limit_something() -> None:
    with pytest.raises(ValueError, match="at least one of requests_per_minute"):
        OwnLimit(provider="openai")
