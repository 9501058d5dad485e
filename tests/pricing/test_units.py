from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from llmitm_pricing.units import Leaves

INPUTS = ("input", "cached_input", "cache_write", "audio_input", "image_input", "video_input")
counts = st.integers(min_value=0, max_value=10_000_000)


def leaves(**usage: int) -> dict[str, int]:
    return {unit: int(count) for unit, count in Leaves(usage).counts.items()}


def test_children_are_taken_out_of_their_parents() -> None:
    assert leaves(input=100, cached_input=60, cache_write=30, output=50, reasoning=20) == {
        "cached_input": 60,
        "cache_write": 30,
        "input": 10,
        "reasoning": 20,
        "output": 30,
    }


def test_the_cached_part_of_a_kind_is_taken_out_of_both() -> None:
    taken = leaves(input=100, cached_input=50, audio_input=80, audio_cached_input=40)
    assert taken == {
        "audio_input": 40,
        "audio_cached_input": 40,
        "cached_input": 10,
        "input": 10,
    }


def test_what_text_cannot_account_for_was_cached_in_another_kind() -> None:
    assert leaves(input=100, audio_input=90, cached_input=30) == {
        "audio_input": 70,
        "audio_cached_input": 20,
        "cached_input": 10,
    }


def test_more_cached_than_there_is_input_is_cut_at_zero_and_noted() -> None:
    odd = Leaves({"input": 7, "cached_input": 163})
    assert odd.counts == {"cached_input": Decimal(163)}
    assert odd.prompt == 163
    assert odd.notes == ["the parts of input come to 163, more than the 7 reported"]


def test_the_prompt_is_everything_that_went_in() -> None:
    assert Leaves({"input": 10, "cached_input": 4, "audio_input": 3}).prompt == 10
    assert Leaves({"cached_input": 4, "cache_write": 3}).prompt == 7


def test_floats_are_taken_as_they_are_written() -> None:
    assert Leaves({"input": 0.1}).counts == {"input": Decimal("0.1")}


@given(st.dictionaries(st.sampled_from(INPUTS), counts))
def test_no_leaf_is_negative_and_none_is_lost(usage: dict[str, int]) -> None:
    taken = Leaves(usage)
    assert all(count > 0 for count in taken.counts.values())
    assert sum(taken.counts.values()) >= usage.get("input", 0)


@given(plain=counts, cached=counts, short=counts, long=counts, audio=counts, audio_cached=counts)
def test_consistent_counts_come_apart_without_loss(
    plain: int, cached: int, short: int, long: int, audio: int, audio_cached: int
) -> None:
    usage = {
        "input": plain + cached + short + long + audio + audio_cached,
        "cached_input": cached + audio_cached,
        "cache_write": short + long,
        "cache_write_5m": short,
        "cache_write_1h": long,
        "audio_input": audio + audio_cached,
        "audio_cached_input": audio_cached,
    }
    taken = Leaves(usage)
    expected = {
        "input": plain,
        "cached_input": cached,
        "cache_write_5m": short,
        "cache_write_1h": long,
        "audio_input": audio,
        "audio_cached_input": audio_cached,
    }
    assert taken.counts == {unit: count for unit, count in expected.items() if count}
    assert taken.notes == []
    assert taken.prompt == usage["input"]
