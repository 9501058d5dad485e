from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmitm.basis import Basis, Share
from llmitm.calls import (
    Answer,
    Charge,
    Ending,
    Endpoint,
    Exchange,
    Identity,
    ModelUsage,
    Operation,
    Outcome,
    Prompt,
    Usage,
)
from llmitm.pricing import charge, on_another, price, units, work_out
from llmitm_pricing import Cost, PriceTable

TABLE = PriceTable.load()
CHAT = Endpoint("openai", "chat", "openai_chat")
USAGE = Usage("reported", input_tokens=1000, output_tokens=100)
USD = Decimal("0.0035")
"""What USAGE costs on gpt-4o: 1,000 at 2.50 and 100 at 10 a million."""


def exchange(
    *,
    method: str = "POST",
    host: str = "api.openai.com",
    status: int | None = 200,
    ending: Ending = "complete",
    at: datetime = datetime(2026, 11, 20, tzinfo=UTC),
) -> Exchange:
    return Exchange(
        id="01J",
        started_at=at.timestamp(),
        method=method,
        scheme="https",
        host=host,
        port=443,
        path="/v1/chat/completions?x=1",
        request_headers=(),
        request_body=b"",
        status=status,
        ending=ending,
    )


def charged(
    endpoint: Endpoint = CHAT,
    answer: Answer | None = None,
    *,
    model: str | None = "gpt-4o",
    document: Any = None,
    tier: str | None = None,
    outcome: Outcome = "ok",
    identity: Identity | None = None,
    table: PriceTable = TABLE,
    **call: Any,
) -> Charge:
    return charge(
        endpoint,
        exchange(**call),
        Prompt(model=model, document=document, service_tier=tier),
        answer if answer is not None else Answer(usage=USAGE),
        outcome,
        identity or Identity(),
        table,
    )


def test_tokens_are_priced_by_the_table() -> None:
    result = charged()
    assert result.usd == result.table_usd == USD
    assert result.price_id == "openai/gpt-4o"
    assert result.parts == {"input": Decimal("0.0025"), "output": Decimal("0.001")}
    assert result.unpriced_reason is None
    assert result.provider_usd is None


def test_every_count_of_a_usage_has_its_unit() -> None:
    counts = {
        name: number
        for number, name in enumerate(Usage.__dataclass_fields__, 1)
        if name.endswith("_tokens")
    }
    named = units(Usage(**counts, other={"web_search": 3}))
    assert sorted(named.values()) == sorted([*counts.values(), 3])
    assert named["web_search"] == 3
    assert units(Usage("reported", input_tokens=0)) == {"input": 0}


@pytest.mark.parametrize(
    ("answered", "asked", "price_id"),
    [
        ("gpt-4o-2024-11-20", "gpt-5", "openai/gpt-4o"),
        (None, "gpt-4o", "openai/gpt-4o"),
        ("a-name-nobody-knows", "gpt-4o", "openai/gpt-4o"),
    ],
)
def test_the_model_that_answered_counts_if_it_has_a_price(
    answered: str | None, asked: str, price_id: str
) -> None:
    assert charged(answer=Answer(model=answered, usage=USAGE), model=asked).price_id == price_id


def test_the_path_may_name_the_model() -> None:
    endpoint = Endpoint("gemini", "chat", "gemini", model="models/gemini-2.5-flash")
    assert charged(endpoint, model=None).price_id == "gemini/gemini-2.5-flash"


def test_what_is_billed_is_priced_instead_of_what_was_used() -> None:
    usage = replace(USAGE, input_tokens=9_000, billed={"input": 1000, "output": 100})
    assert units(usage) == {"input": 1000, "output": 100}
    assert charged(answer=Answer(usage=usage)).usd == USD


def test_what_the_user_says_the_model_is_goes_first() -> None:
    answer = Answer(model="gpt-5", usage=USAGE)
    assert charged(answer=answer, identity=Identity(model_override="gpt-4o")).usd == USD
    unknown = charged(answer=answer, identity=Identity(model_override="mine"))
    assert unknown.unpriced_reason == "no price for model 'mine' of provider 'openai'"


def test_unknown_is_not_zero() -> None:
    result = charged(model="gpt-99")
    assert result.usd is None
    assert result.unpriced_reason == "no price for model 'gpt-99' of provider 'openai'"
    assert charged(model=None).unpriced_reason == "the call names no model"
    assert charged(answer=Answer()).unpriced_reason == "the provider reported no usage"


@pytest.mark.parametrize(
    ("served", "asked", "usd"),
    [
        ("priority", None, "0.00595"),
        ("PRIORITY", None, "0.00595"),
        ("default", "priority", "0.0035"),
        (None, "priority", "0.00595"),
        (None, "auto", "0.0035"),
    ],
)
def test_the_tier_that_was_served_counts(served: str | None, asked: str | None, usd: str) -> None:
    result = charged(answer=Answer(usage=USAGE, service_tier=served), tier=asked)
    assert (result.usd, result.notes) == (Decimal(usd), ())


def test_the_lines_of_a_batch_have_batch_prices_whatever_they_say() -> None:
    answer = Answer(usage=USAGE, service_tier="default")
    assert charged(Endpoint("openai", "batch", "openai_chat"), answer).usd == USD / 2


def test_geography_speed_and_host_reach_the_table() -> None:
    endpoint = Endpoint("anthropic", "chat", "anthropic")
    answer = Answer(model="claude-opus-5", usage=USAGE, inference_geo="us", speed="fast")
    assert charged(endpoint, answer).usd == Decimal("0.0075") * Decimal("1.1") * 2
    eu = charged(answer=Answer(model="gpt-5.4-mini", usage=USAGE), host="eu.api.openai.com")
    assert eu.usd == Decimal("0.0012") * Decimal("1.1")


def test_the_day_of_the_call_counts() -> None:
    answer = Answer(model="gpt-5.6-sol", usage=USAGE)
    assert charged(answer=answer, at=datetime(2026, 8, 20, tzinfo=UTC)).usd == Decimal("0.008")
    assert charged(answer=answer, at=datetime(2026, 8, 21, tzinfo=UTC)).usd == Decimal("0.006")


@pytest.mark.parametrize(
    ("status", "ending", "outcome", "reason"),
    [
        (429, "complete", "error", "error answers are not charged"),
        (500, "complete", "error", "error answers are not charged"),
        (None, "no_answer", "error", "the call was not answered"),
        (None, "no_answer", "blocked", "the call was never sent"),
    ],
)
def test_failed_calls_cost_nothing_and_say_why(
    status: int | None, ending: Ending, outcome: Outcome, reason: str
) -> None:
    result = charged(answer=Answer(), status=status, ending=ending, outcome=outcome)
    assert (result.usd, result.price_id) == (0, f"none: {reason}")


def test_a_failed_call_that_reports_usage_is_charged() -> None:
    assert charged(status=500, outcome="error").usd == USD


@pytest.mark.parametrize("outcome", ["cancelled", "error"])
def test_a_stream_that_ended_before_its_usage_is_unpriced(outcome: Outcome) -> None:
    result = charged(answer=Answer(), ending="client_gone", outcome=outcome)
    assert result.usd is None
    assert result.unpriced_reason == (
        "the call ended before its usage was known (the provider reported no usage)"
    )


def test_an_estimated_usage_is_priced() -> None:
    usage = replace(USAGE, source="estimated")
    assert charged(answer=Answer(usage=usage), outcome="cancelled").usd == USD


def test_a_repeated_answer_is_not_charged_again() -> None:
    result = charged(replace(CHAT, counted=False))
    assert (result.usd, result.price_id) == (0, "none: counted with the call that made it")


@pytest.mark.parametrize("operation", ["models", "file", "count_tokens", "moderation"])
def test_free_operations(operation: Operation) -> None:
    result = charged(Endpoint("openai", operation, None), Answer(), model=None)
    assert result.usd == 0
    assert result.price_id is not None
    assert result.price_id.startswith("none: ")


def test_reading_is_free_and_writing_is_not_known() -> None:
    other = Endpoint("openai", "other", None)
    assert charged(other, Answer(), method="GET").price_id == "none: nothing was generated"
    assert charged(other, Answer(), method="POST").usd is None


def test_a_model_on_ones_own_machine_is_free_with_the_reason() -> None:
    result = charged(Endpoint("ollama", "chat", "ollama"), model="llama3.2")
    assert (result.usd, result.notes) == (0, ("runs on your own machine",))


def test_what_the_provider_charged_comes_first_and_the_table_checks_it() -> None:
    answer = Answer(usage=USAGE, provider_cost_usd=Decimal("0.004"))
    result = charged(answer=answer)
    assert (result.usd, result.provider_usd, result.table_usd) == (
        Decimal("0.004"),
        Decimal("0.004"),
        USD,
    )
    assert result.price_id == "openai/reported"
    assert result.parts == {"reported": Decimal("0.004")}


def test_where_both_agree_the_parts_are_kept() -> None:
    result = charged(answer=Answer(usage=USAGE, provider_cost_usd=USD))
    assert result.parts == {"input": Decimal("0.0025"), "output": Decimal("0.001")}


def test_a_provider_that_says_it_charged_needs_no_table() -> None:
    result = charged(model="gpt-99", answer=Answer(provider_cost_usd=Decimal("0.5")))
    assert (result.usd, result.table_usd, result.unpriced_reason) == (Decimal("0.5"), None, None)


@pytest.mark.parametrize(
    ("operation", "provider", "model", "document", "answered", "usd"),
    [
        ("image", "openai", "dall-e-3", {"prompt": "a cat"}, {"data": [{}]}, "0.04"),
        ("image", "openai", "dall-e-3", {"quality": "hd", "size": "auto"}, None, "0.08"),
        ("image", "openai", "dall-e-2", {"n": 3, "size": "512x512"}, None, "0.054"),
        ("image", "openai", "dall-e-2", {"n": "3", "size": "512x512"}, None, "0.054"),
        ("image", "openai", "dall-e-2", {"n": 3}, {"data": [{}, {}]}, "0.04"),
        (
            "image",
            "gemini",
            "imagen-4.0-generate-001",
            {"instances": [{"prompt": "x"}], "parameters": {"sampleCount": 2}},
            None,
            "0.08",
        ),
        ("speech", "openai", "tts-1", {"input": "Grüße!"}, None, "0.00009"),
        ("transcription", "openai", "whisper-1", {}, {"duration": 60.0}, "0.006"),
        ("video", "openai", "sora-2", {"seconds": "8"}, {"id": "video_1"}, "0.8"),
        ("video", "openai", "sora-2", {}, {"id": "video_1", "seconds": "4"}, "0.4"),
        (
            "video",
            "gemini",
            "veo-3.1-generate-preview",
            {"parameters": {"durationSeconds": 8, "resolution": "4k", "sampleCount": 2}},
            {"name": "operations/1"},
            "9.6",
        ),
    ],
)
def test_where_there_is_no_usage_the_request_tells(
    operation: Operation, provider: str, model: str, document: Any, answered: Any, usd: str
) -> None:
    endpoint = Endpoint(provider, operation, None)
    result = charged(endpoint, Answer(document=answered), model=model, document=document)
    assert result.usd == Decimal(usd)


@pytest.mark.parametrize(
    ("operation", "model", "document"),
    [
        ("video", "sora-2", {"seconds": "long"}),
        ("video", "sora-2", {"seconds": "nan"}),
        ("video", "sora-2", {"seconds": True}),
        ("speech", "tts-1", {"input": None}),
        ("speech", "tts-1", [1, 2]),
        ("transcription", "whisper-1", None),
    ],
)
def test_what_the_request_does_not_tell_is_unpriced(
    operation: Operation, model: str, document: Any
) -> None:
    result = charged(Endpoint("openai", operation, None), Answer(), model=model, document=document)
    assert result.usd is None
    assert result.unpriced_reason is not None
    assert "which the call does not tell" in result.unpriced_reason


def test_reported_units_go_before_measured_ones() -> None:
    usage = Usage("reported", other={"audio_second": 30})
    answer = Answer(usage=usage, document={"duration": 60.0})
    assert charged(Endpoint("openai", "transcription", None), answer, model="whisper-1").usd == (
        Decimal("0.003")
    )


def test_a_wrong_price_file_of_the_user_makes_a_call_unpriced(tmp_path: Path) -> None:
    (tmp_path / "openai.toml").write_text('schema = 1\nprovider = "openai"\ncolour = 1\n')
    result = charged(table=PriceTable.load(own=tmp_path))
    assert result.usd is None
    assert result.unpriced_reason is not None
    assert "colour: no such key" in result.unpriced_reason


def test_each_of_several_models_is_priced_at_its_own_price() -> None:
    both = (ModelUsage("gpt-4o", USAGE), ModelUsage("gpt-4o-mini", USAGE))
    result = charged(answer=Answer(usage=replace(USAGE, input_tokens=2000), by_model=both))
    assert result.usd == USD + Decimal("0.00021")
    assert result.price_id == "openai/gpt-4o + openai/gpt-4o-mini"
    assert sum(result.parts.values()) == result.usd


def test_one_unknown_model_among_several_leaves_the_call_unpriced() -> None:
    both = (ModelUsage("gpt-4o", USAGE), ModelUsage("of-my-own", USAGE))
    result = charged(answer=Answer(usage=USAGE, by_model=both))
    assert result.usd is None
    assert "of-my-own" in (result.unpriced_reason or "")


def test_a_model_named_by_the_user_goes_before_what_the_answer_says_of_several() -> None:
    both = (ModelUsage("gpt-4o-mini", USAGE), ModelUsage("of-my-own", USAGE))
    answer = Answer(usage=USAGE, by_model=both)
    assert charged(answer=answer, identity=Identity(model_override="gpt-4o")).usd == USD


def rests(answer: Answer | None = None, **call: Any) -> Basis:
    """Return what the price of a call of gpt-4o rests on."""
    found = charged(answer=answer, **call).basis
    assert found is not None
    return found


def test_a_price_is_worked_out_of_its_basis_alone() -> None:
    answer = Answer(usage=USAGE, provider_cost_usd=Decimal("0.004"))
    first = charged(answer=answer)
    assert first.basis is not None
    assert price(first.basis, TABLE) == first
    worked = work_out(first.basis, TABLE)
    assert isinstance(worked, Cost)
    assert (worked.usd, [line.unit for line in worked.working]) == (USD, ["input", "output"])


def test_another_model_of_the_same_provider_is_served_in_the_same_way() -> None:
    answer = Answer(usage=USAGE, service_tier="flex", provider_cost_usd=Decimal(1))
    here = rests(answer, host="eu.api.openai.com")
    other = on_another(here, "openai", "gpt-5.4-mini")
    assert other == replace(here, shares=other.shares, provider_usd=None)
    assert other.shares == (Share(("gpt-5.4-mini",), here.shares[0].usage),)


def test_of_how_another_provider_would_serve_it_nothing_is_known() -> None:
    answer = Answer(usage=USAGE, service_tier="priority", inference_geo="us")
    other = on_another(rests(answer), "anthropic", "claude-opus-5")
    assert (other.tier, other.geo, other.host, other.path) == (None, None, None, None)
    assert price(other, TABLE).usd == Decimal("0.0075")
    batch = on_another(
        rests(endpoint=Endpoint("openai", "batch", "openai_chat")), "anthropic", "claude-opus-5"
    )
    assert price(batch, TABLE).usd == Decimal("0.00375")


def test_what_several_models_did_another_one_does_alone() -> None:
    both = (ModelUsage("gpt-4o", USAGE), ModelUsage("gpt-4o-mini", USAGE))
    other = on_another(rests(Answer(usage=USAGE, by_model=both)), "openai", "gpt-4o")
    assert other.shares == (Share(("gpt-4o",), {"input": 2000, "output": 200}),)
    assert price(other, TABLE).usd == 2 * USD


def test_what_is_free_is_free_on_every_model() -> None:
    free = rests(Answer(), status=429, outcome="error")
    assert price(on_another(free, "anthropic", "claude-opus-5"), TABLE).usd == 0
