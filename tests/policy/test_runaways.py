"""A run runs away where it does far more than it used to, or the same again and again; others never do."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.runaways import AGAIN_SECONDS, Finding, RunawayLimits, Runaways, Seen

LIMITS = RunawayLimits()
AT = 1_699_999_980.0
"""The beginning of a minute."""


def all_of(calls: list[Seen], limits: RunawayLimits = LIMITS) -> list[Finding]:
    runaways = Runaways(limits)
    return [found for call in calls for found in runaways.see(call)]


def called(tools: list[int | None], **options: int) -> list[Seen]:
    return [
        Seen("r", AT + 5 * n, tools=each, tool_name="search", **options)
        for n, each in enumerate(tools)
    ]


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 40))
def test_the_same_tool_calls_in_turn_are_told_from_the_limit_on(
    limit: int, cycle: int, before: int
) -> None:
    limits = RunawayLimits(tool_calls=limit)
    begins: list[int | None] = [100 + number for number in range(before)]
    loop: list[int | None] = [*range(cycle)] * limit
    (found,) = all_of(called(begins + loop), limits)
    assert (found.run, found.kind) == ("r", "tool_call")
    assert f"{limit} times" in found.words
    assert found.at == AT + 5 * (before + len(loop) - 1)
    assert all_of(called(begins + loop[:-1]), limits) == []


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(2, 6))
def test_a_call_is_told_just_where_the_newest_answers_are_a_loop(
    tools: list[int], limit: int
) -> None:
    """Compare with a look at the whole list."""
    runaways = Runaways(RunawayLimits(tool_calls=limit))
    for number in range(len(tools)):
        (call,) = called(tools[number : number + 1])  # type: ignore[arg-type]
        found = runaways.see(call._replace(at=AT + 2 * AGAIN_SECONDS * number))
        so_far = tools[: number + 1]
        loops = [
            period
            for period in range(1, 5)
            if len(so_far) >= period * limit
            and so_far[-period * limit :] == so_far[-period:] * limit
        ]
        # A loop whose first round began amid others is known as one when it is whole.
        assert bool(found) == bool(loops)


def test_an_answer_without_a_tool_call_ends_a_streak_and_another_conversation_does_not() -> None:
    assert all_of(called([1] * 7 + [None] + [1] * 7)) == []
    mixed = [
        each for pair in zip(called([1] * 8), called([None] * 8, thread=7), strict=True) for each in pair
    ]  # fmt: skip
    assert [found.kind for found in all_of(mixed)] == ["tool_call"]


def test_what_failed_is_no_repetition() -> None:
    tries = [Seen("r", AT + n, prompt=1, tools=2, is_answered=False) for n in range(50)]
    assert all_of(tries) == []


@given(st.integers(2, 20), st.floats(1, 1_000))
def test_the_same_question_is_told_if_it_comes_within_the_span(limit: int, span: float) -> None:
    limits = RunawayLimits(prompts=limit, prompt_seconds=span)

    def asked(step: float) -> list[Seen]:
        return [Seen("r", AT + step * number, prompt=5) for number in range(limit)]

    assert [found.kind for found in all_of(asked(0.99 * span / (limit - 1)), limits)] == ["prompt"]
    assert all_of(asked(1.01 * span / (limit - 1)), limits) == []
    assert all_of(asked(0.0)[:-1], limits) == []


def minutes(*usd: float, calls: int = 4) -> list[Seen]:
    """Return the calls of a run that spends so much in each minute."""
    return [
        Seen("r", AT + 60 * minute + 60 / calls * number, each / calls)
        for minute, each in enumerate(usd)
        for number in range(calls)
    ]


def test_a_burst_is_told_by_the_runs_own_norm() -> None:
    (found,) = all_of(minutes(0.2, 0.3, 0.2, 0.25, 0.2, 0.2, 0.2, 3.0))
    assert found.kind == "spend"
    assert found.words.startswith("spent $2.")
    assert found.words.endswith("where it used to spend $0.20")
    assert all_of(minutes(2.0, 3.0, 2.0, 2.5, 2.0, 2.0, 2.0, 3.0)) == []


def test_without_a_past_or_below_the_floor_nothing_is_a_burst() -> None:
    assert all_of(minutes(0.2, 0.2, 30.0)) == []
    assert all_of(minutes(*[0.001] * 20, 0.9)) == []


def test_minutes_in_which_nothing_was_done_are_no_norm() -> None:
    pause = [call._replace(at=call.at + 7_200) for call in minutes(1.5)]
    assert all_of([*minutes(*[1.2] * 6), *pause]) == []


def test_many_calls_that_cost_nothing_are_told() -> None:
    burst = [Seen("r", AT + 600 + number / 10) for number in range(200)]
    assert [found.kind for found in all_of([*minutes(*[0.0] * 10), *burst])] == ["calls"]


@given(st.floats(1, 1_000), st.floats(0.001, 50), st.randoms(use_true_random=False))
def test_the_norm_knows_no_scale(factor: float, usual: float, chance: random.Random) -> None:
    """A run that keeps within three times its usual spending is never told."""
    limits = RunawayLimits(usd_per_minute=0)
    spent = [usual * factor * chance.uniform(0.5, 1.5) for _ in range(30)]
    assert all_of(minutes(*spent), limits) == []


def test_it_is_said_once_and_again_after_a_while() -> None:
    calls = called([1] * 300)
    found = all_of(calls)
    assert [each.at for each in found] == [AT + 35, AT + 35 + 600, AT + 35 + 1_200]


def test_a_run_that_may_go_on_is_counted_anew_and_keeps_its_norm() -> None:
    runaways = Runaways(LIMITS)
    calls = [*minutes(*[0.2] * 8), *minutes(6.0)]
    for call in calls[:-4]:
        assert runaways.see(call) == []
    burst = [call._replace(at=call.at + 540) for call in calls[-4:]]
    found = [each for call in burst for each in runaways.see(call)]
    assert len(found) == 1
    runaways.forgive("r")
    assert runaways.see(Seen("r", AT + 560, 0.5)) == []
    assert [each.kind for each in runaways.see(Seen("r", AT + 570, 9.0))] == ["spend"]


def test_runs_are_bounded_and_do_not_mix() -> None:
    runaways = Runaways(LIMITS)
    for number in range(3_000):
        assert runaways.see(Seen(f"r{number}", AT + number, tools=1, prompt=1)) == []
    assert len(runaways) == 1_000


@given(st.lists(st.tuples(st.floats(0, 2e9), st.floats(0, 1e6), st.integers(0, 2)), max_size=60))
def test_no_order_of_calls_breaks_it(calls: list[tuple[float, float, int]]) -> None:
    runaways = Runaways(RunawayLimits(minutes=1, tool_calls=2, prompts=2))
    for at, usd, what in calls:
        runaways.see(Seen(f"r{what % 2}", at, usd, what, what, what))
