"""Waits between attempts."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.directives import RetryDirective
from llmitm.policy.retrying import next_wait

DIRECTIVES = st.builds(
    RetryDirective,
    retries=st.integers(0, 20),
    factor=st.floats(1, 10),
    first_wait=st.floats(0, 100_000),
    longest_wait=st.floats(0, 100_000),
    limit=st.floats(0, 3_600_000),
)
ELAPSED = st.floats(0, 5_000)
HINTS = st.none() | st.floats(0, 5_000)
PART = st.floats(0, 1, exclude_max=True)


def test_the_usual_waits_are_full_jitter_up_to_1_2_and_4_seconds() -> None:
    longest = [
        next_wait(RetryDirective(), attempt, None, 0, lambda: 1.0) for attempt in (1, 2, 3, 4)
    ]
    assert longest == [1, 2, 4, None]
    assert next_wait(RetryDirective(), 3, None, 0, lambda: 0.0) == 0
    assert next_wait(RetryDirective(retries=9), 9, None, 0, lambda: 1.0) == 10


def test_a_hint_goes_before_a_wait_of_our_own() -> None:
    assert next_wait(RetryDirective(), 1, 30, 0, lambda: 0.5) == 30
    assert next_wait(RetryDirective(), 1, 0, 0, lambda: 0.5) == 0.5


def test_beyond_the_limit_there_is_no_other_attempt() -> None:
    assert next_wait(RetryDirective(), 1, 61, 0, lambda: 0.5) is None
    assert next_wait(RetryDirective(), 1, 30, 31, lambda: 0.5) is None
    assert next_wait(RetryDirective(), 1, None, 60, lambda: 0.5) is None


@given(DIRECTIVES, st.integers(1, 25), HINTS, ELAPSED, PART)
def test_a_wait_stays_within_what_was_asked_for(
    directive: RetryDirective, attempt: int, hint: float | None, elapsed: float, part: float
) -> None:
    wait = next_wait(directive, attempt, hint, elapsed, lambda: part)
    if wait is None:
        return
    assert attempt <= directive.retries
    assert wait >= 0
    assert elapsed + wait <= directive.limit / 1000
    if hint:
        assert wait == hint
    else:
        assert wait <= directive.longest_wait / 1000


@given(DIRECTIVES, st.integers(), HINTS)
def test_all_attempts_together_end(
    directive: RetryDirective, seed: int, hint: float | None
) -> None:
    random, elapsed, attempt = Random(seed), 0.0, 1
    while (wait := next_wait(directive, attempt, hint, elapsed, random.random)) is not None:
        elapsed, attempt = elapsed + wait, attempt + 1
        assert attempt <= directive.retries + 1
    assert elapsed <= directive.limit / 1000


def test_an_enormous_factor_overflows_nothing() -> None:
    directive = RetryDirective(retries=10_000, factor=10)
    assert next_wait(directive, 9_000, None, 0, lambda: 1.0) == 10
