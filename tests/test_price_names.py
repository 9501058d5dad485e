"""Names under which a model is looked up, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm.calls import Answer, Endpoint, Exchange, Identity, Prompt, Usage
from llmitm.price_names import names
from llmitm.pricing import charge
from llmitm_pricing import PriceTable

ROUTER = "/v1/chat/completions"


def exchange(path: str = ROUTER, *headers: tuple[str, str]) -> Exchange:
    return Exchange(
        id="01J",
        started_at=1_795_000_000.0,
        method="POST",
        scheme="https",
        host="router.huggingface.co",
        port=443,
        path=path,
        request_headers=(),
        request_body=b"",
        status=200,
        response_headers=headers,
    )


def tried(
    provider: str,
    call: Exchange,
    *,
    asked: str | None = None,
    answered: str | None = None,
    in_path: str | None = None,
    override: str | None = None,
) -> list[str]:
    return names(
        Endpoint(provider, "chat", None, in_path),
        call,
        Prompt(model=asked),
        Answer(model=answered),
        Identity(model_override=override),
    )


def test_what_answered_goes_before_what_was_asked_for_and_the_path() -> None:
    found = tried("openai", exchange(), asked="b", answered="a", in_path="c")
    assert found == ["a", "b", "c"]
    assert tried("openai", exchange(), asked="a", answered="a") == ["a"]
    assert tried("openai", exchange()) == []


def test_what_the_user_says_is_all_that_counts() -> None:
    assert tried("vertex", exchange(), asked="b", answered="a", override="x@1") == ["x@1"]


def test_azure_says_in_a_header_what_served() -> None:
    call = exchange(ROUTER, ("X-Ms-Served-Model", "gpt-5-nano-2025-08-07"))
    assert tried("azure", call, asked="mine", answered="gpt-5-nano") == [
        "gpt-5-nano-2025-08-07",
        "gpt-5-nano",
        "mine",
    ]
    assert tried("openai", call, answered="a") == ["a"]


def test_bedrock_prices_the_profile_of_the_path() -> None:
    profile, answered = "us.anthropic.claude-x-v1:0", "claude-x"
    found = tried("bedrock", exchange(), answered=answered, asked=profile, in_path=profile)
    assert found == [profile, answered]


def test_a_search_of_perplexitys_has_no_model() -> None:
    assert tried("perplexity", exchange("/search?x=1")) == ["search"]
    assert tried("perplexity", exchange("/chat/completions"), answered="sonar") == ["sonar"]


SERVED = ("x-inference-provider", "Cerebras")


@pytest.mark.parametrize(
    ("path", "headers", "asked", "first"),
    [
        (ROUTER, (), "deepseek-ai/DeepSeek-V3:novita", "deepseek-ai/DeepSeek-V3:novita"),
        (ROUTER, (SERVED,), "org/model:novita", "org/model:novita"),
        (ROUTER, (SERVED,), "org/model", "org/model:cerebras"),
        (ROUTER, (SERVED,), "org/model:fastest", "org/model:cerebras"),
        ("/novita/v3/openai/chat/completions", (), "org/model", "org/model:novita"),
        ("/fal-ai/fal-ai/flux/dev", (), "org/model", "org/model:fal-ai"),
        (ROUTER, (), "org/model", "org/model"),
        (ROUTER, (), "org/model:cheapest", "org/model"),
        ("/models/org/model/v1/chat/completions", (), "org/model", "org/model"),
        ("/pipeline/fill-mask/org/model", (), "org/model", "org/model"),
    ],
)
def test_hugging_face_prices_by_who_served(
    path: str, headers: Sequence[tuple[str, str]], asked: str, first: str
) -> None:
    assert tried("huggingface", exchange(path, *headers), asked=asked)[0] == first


def test_hugging_face_tries_every_name_with_the_provider_then_without() -> None:
    call = exchange("/hf-inference/models/org/model/v1/chat/completions")
    found = tried("huggingface", call, asked="tgi", in_path="org/model", answered="other")
    assert found == [
        "tgi:hf-inference",
        "org/model:hf-inference",
        "other:hf-inference",
        "tgi",
        "org/model",
        "other",
    ]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("gemini-2.5-flash", []),
        ("publishers/google/models/gemini-2.5-flash", ["gemini-2.5-flash"]),
        (
            "projects/p/locations/us/publishers/anthropic/models/claude-x@20250219",
            ["claude-x@20250219", "claude-x-20250219"],
        ),
        ("claude-x@default", ["claude-x"]),
    ],
)
def test_vertex_writes_its_own_paths_and_versions(name: str, more: list[str]) -> None:
    assert tried("vertex", exchange(), in_path=name) == [name, *more]


def test_a_price_by_the_inference_provider_is_found(tmp_path: Path) -> None:
    (tmp_path / "huggingface.toml").write_text(
        'schema = 1\nprovider = "huggingface"\ncurrency = "USD"\nhosts = ["router.huggingface.co"]\n'
        'page = "https://example.com"\nchecked = 2026-11-26\n\n'
        '[[model]]\nid = "org/Model:cerebras"\n\n'
        "  [[model.price]]\n  mtok = { input = 2, output = 3 }\n"
    )
    cost = charge(
        Endpoint("huggingface", "chat", "openai_chat"),
        exchange(ROUTER, SERVED),
        Prompt(model="org/Model"),
        Answer(model="model-at-cerebras", usage=Usage("reported", 1000, 1000)),
        "ok",
        Identity(),
        PriceTable.load(tmp_path),
    )
    assert cost.usd == Decimal("0.005")
    assert cost.price_id == "huggingface/org/Model:cerebras"
