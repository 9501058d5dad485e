"""The arithmetic of usage: what is reported stays as it is, what is read has every part inside its whole."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmitm.calls import Json, ReportedUsage, Usage
from llmitm.providers import openai_usage, provider_cost


@pytest.mark.parametrize(
    ("usage", "whole"),
    [
        pytest.param({"prompt_tokens": 3}, (3, None, None), id="embedding"),
        pytest.param({"total_tokens": 8}, (8, None, None), id="Voyage: the total alone"),
        pytest.param(
            {"prompt_tokens": 702, "completion_tokens": 17, "total_tokens": 843}
            | {"completion_tokens_details": {"reasoning_tokens": 124}},
            (702, 141, 124),
            id="xAI: reasoning on top",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}
            | {"completion_tokens_details": {"reasoning_tokens": 40}},
            (10, 50, 40),
            id="OpenAI: reasoning inside",
        ),
        pytest.param(
            {"prompt_tokens": 66, "completion_tokens": 6, "total_tokens": 100},
            (66, 34, 28),
            id="Gemini's compatible endpoint: thoughts only in the total",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 201, "total_tokens": 585}
            | {"prompt_tokens_details": {"audio_tokens": 375}},
            (384, 201, None),
            id="Mistral: audio beside the prompt",
        ),
        pytest.param(
            {"prompt_tokens": 28, "completion_tokens": 9, "total_tokens": 37}
            | {"completion_tokens_details": {"reasoning_tokens": 69}},
            (28, 78, 69),
            id="more reasoning than output, and not in the total",
        ),
        pytest.param(
            {"input_tokens": 5, "output_tokens": 0, "total_tokens": 5}, (5, 0, None), id="0 stays 0"
        ),
        pytest.param(
            {"prompt_tokens": 20, "completion_tokens": None, "total_tokens": None},
            (20, None, None),
            id="Databricks: not counted yet",
        ),
    ],
)
def test_whole(usage: Json, whole: tuple[int | None, ...]) -> None:
    read, _ = openai_usage.read(usage)
    assert (read.input_tokens, read.output_tokens, read.reasoning_tokens) == whole
    assert read.source == "reported"


@pytest.mark.parametrize(
    ("usage", "reported"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 5}}, (4, 5)),
        ({"prompt_cache_hit_tokens": 4}, (4, None)),
        ({"num_cached_tokens": 4}, (4, None)),
        ({"cached_tokens": 4}, (4, None)),
        ({"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5}, (4, 5)),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 9}, (0, None)),
        ({"prompt_tokens_details": None}, (None, None)),
    ],
)
def test_cache_counts_by_all_their_names(usage: Json, reported: tuple[int | None, ...]) -> None:
    _, own = openai_usage.read({"prompt_tokens": 10, "completion_tokens": 1, **usage})
    assert (own.cached_input, own.cache_write) == reported


def test_more_cached_than_there_was() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 163},
    }
    read, own = openai_usage.read(usage)
    assert (read.cached_input_tokens, own.cached_input) == (7, 163)


@pytest.mark.parametrize(
    "usage", [None, {}, [], "9", 9, {"queue_time": 0.1}, {"prompt_tokens": True}]
)
def test_no_counts_are_no_usage(usage: Json) -> None:
    assert openai_usage.read(usage) == (Usage(), ReportedUsage())


def test_units_beside_tokens() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "search_units": 2,
        "server_side_tool_usage_details": {
            "web_search_calls": 3,
            "x_search_calls": 1,
            "mcp_calls": 9,
        },
    }
    read, _ = openai_usage.read(usage)
    assert read.other == {"search_unit": 2, "web_search": 3, "x_search": 1}


_COUNTS = st.none() | st.integers(-1, 1000) | st.floats() | st.text(max_size=2)
_DETAILS = st.none() | st.dictionaries(
    st.sampled_from(["cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens"]),
    _COUNTS,
)
_USAGE = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": _COUNTS,
        "completion_tokens": _COUNTS,
        "total_tokens": _COUNTS,
        "reasoning_tokens": _COUNTS,
        "prompt_tokens_details": _DETAILS,
        "completion_tokens_details": _DETAILS,
    },
)


@given(_USAGE)
@example({"prompt_tokens": None, "completion_tokens": 0, "total_tokens": 2, "reasoning_tokens": 1})
def test_whatever_is_reported_no_part_is_larger_than_its_whole(usage: Json) -> None:
    read, own = openai_usage.read(usage)
    for part, whole in (
        (read.cached_input_tokens, read.input_tokens),
        (read.cache_write_tokens, read.input_tokens),
        (read.reasoning_tokens, read.output_tokens),
    ):
        assert part is None or whole is None or 0 <= part <= whole
    for mine, theirs in ((read.input_tokens, own.input), (read.output_tokens, own.output)):
        assert theirs is None or (mine is not None and mine >= theirs)


@pytest.mark.parametrize(
    ("provider", "usage", "usd"),
    [
        ("openrouter", {"cost": 0.1}, "0.1"),
        ("openrouter", {"cost": 0}, "0"),
        ("openrouter", {"cost": 1e-7, "is_byok": True, "cost_details": None}, "1E-7"),
        ("vercel", {"cost": "0.0002833"}, "0.0002833"),
        ("perplexity", {"cost": {"currency": "USD", "total_cost": 0.006}}, "0.006"),
        ("perplexity", {"cost": {"currency": "EUR", "total_cost": 0.006}}, None),
        ("deepinfra", {"estimated_cost": 2.68e-05}, "0.0000268"),
        ("xai", {"cost_in_usd_ticks": 1_087_500}, "0.00010875"),
        ("azure", {"cost_in_usd_ticks": 0}, None),
        ("vllm", {"cost": 5}, None),
        ("openrouter", {"cost": "free"}, None),
        ("openrouter", {"cost": float("nan")}, None),
        ("openrouter", None, None),
    ],
)
def test_provider_cost(provider: str, usage: Json, usd: str | None) -> None:
    assert provider_cost.read({"usage": usage}, usage, provider) == (
        None if usd is None else Decimal(usd)
    )


@pytest.mark.parametrize(
    ("provider", "document", "usd"),
    [
        ("github_copilot", {"copilot_usage": {"total_nano_aiu": 150_325_000}}, "0.00150325"),
        ("github_copilot", {"copilot_usage": {"total_nano_aiu": 0}}, "0"),
        ("github_copilot", {"copilot_usage": None}, None),
        ("venice", {"cost": {"diem": 0, "usd": 0.0001628125}}, "0.0001628125"),
        ("venice", {"cost": 3}, None),
        ("pydantic", {"usage": {"pydantic_ai_gateway": {"cost_estimate": 0.000192}}}, "0.000192"),
        ("pydantic", {"usage": {"pydantic_ai_gateway": 1}}, None),
        ("openai", {"copilot_usage": {"total_nano_aiu": 1}, "cost": {"usd": 1}}, None),
    ],
)
def test_provider_cost_in_places_of_its_own(provider: str, document: Json, usd: str | None) -> None:
    found = provider_cost.read(document, document.get("usage"), provider)
    assert found == (None if usd is None else Decimal(usd))
