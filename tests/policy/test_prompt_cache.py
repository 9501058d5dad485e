"""What a call should have found in its provider's prompt cache."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.prompt_cache import Call, advice, expected, missed, rules
from llmitm.wire.changes import Change

CLAUDE = Call(0.0, "claude-opus-5", 10_000, 0, written_tokens=9_900, marks=True)
GPT = Call(0.0, "gpt-5.4", 10_000, 0)
CHANGE = Change("system", "0", "a", "b")


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-3-5-haiku-20241022", 2_048),
        ("claude-sonnet-4-20250514", 1_024),
        ("claude-sonnet-4-5", 1_024),
        ("claude-sonnet-4-6", 2_048),
        ("claude-opus-4-1", 1_024),
        ("claude-opus-4-5", 4_096),
        ("claude-haiku-4-5-20251001", 4_096),
        ("anthropic/claude-opus-5", 4_096),
        ("gpt-5.4", 1_024),
        ("gemini-2.5-flash", 1_024),
        ("gemini-2.5-pro", 4_096),
    ],
)
def test_the_least_that_is_kept(model: str, least: int) -> None:
    assert rules(replace(GPT, model=model)).least == least


def test_a_cache_of_an_hour_is_known_by_what_was_written() -> None:
    assert rules(CLAUDE).lifetime == 300
    assert rules(replace(CLAUDE, hour_tokens=9_900)).lifetime == 3_600


@pytest.mark.parametrize(
    ("before", "call", "change", "reason"),
    [
        (CLAUDE, replace(CLAUDE, at=60, model="claude-haiku-4-5"), None, "model"),
        (replace(CLAUDE, marks=False, written_tokens=0), replace(CLAUDE, at=60), None, "no marks"),
        (CLAUDE, replace(CLAUDE, at=60), CHANGE, "changed"),
        (CLAUDE, replace(CLAUDE, at=900), None, "expired"),
        (CLAUDE, replace(CLAUDE, at=60), None, "not found"),
        (GPT, replace(GPT, at=60), CHANGE, "changed"),
        (GPT, replace(GPT, at=7_200), None, "expired"),
    ],
)
def test_why(before: Call, call: Call, change: Change | None, reason: str) -> None:
    miss = missed(before, call, change)
    assert miss is not None
    assert miss.reason == reason
    assert advice(miss)


def test_no_miss() -> None:
    assert missed(CLAUDE, replace(CLAUDE, at=60, cached_tokens=9_900), CHANGE) is None
    short = replace(CLAUDE, input_tokens=3_000, written_tokens=2_900)
    assert missed(short, replace(short, at=1), CHANGE) is None
    assert expected(GPT, GPT) == 9_984, "OpenAI keeps blocks of 128"


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 10**5))
def test_never_more_is_missed_than_was_there(
    asked: int, again: int, cached: int, idle: float
) -> None:
    for model in ("claude-opus-5", "gpt-5.4"):
        before = Call(0.0, model, asked, 0, marks=True)
        call = Call(idle, model, again, min(cached, again))
        miss = missed(before, call, None)
        if miss is not None:
            assert 0 < miss.tokens <= min(asked, again) - call.cached_tokens
