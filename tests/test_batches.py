"""The results of batches: each request priced by itself, whatever else the file holds, and however much."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from tempfile import TemporaryFile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm import pricing
from llmitm.calls import Answer, Endpoint, Exchange, Finished, Headers, Json, Prompt, Usage
from llmitm.money import nano
from llmitm.providers import hosts
from llmitm.providers.base import Head
from llmitm.providers.batch_results import BatchResults
from llmitm.reading import Reader
from llmitm.store import facts
from llmitm.store.rows import row
from llmitm_pricing import PriceTable

TABLE = PriceTable.load()
CONTENT = "api.openai.com/v1/files/file-1/content"
RESULTS = "api.anthropic.com/v1/messages/batches/msgbatch_1/results"


def openai(prompt: int, output: int = 10, model: str = "gpt-5.4", **usage: Any) -> Json:
    counts = {"prompt_tokens": prompt, "completion_tokens": output, **usage}
    body = {"object": "chat.completion", "model": model, "choices": [], "usage": counts}
    return {"custom_id": "r", "response": {"status_code": 200, "body": body}, "error": None}


def anthropic(prompt: int, geo: str) -> Json:
    usage = {"input_tokens": prompt, "output_tokens": 0, "inference_geo": geo}
    message = {"type": "message", "model": "claude-opus-4-6", "content": [], "usage": usage}
    return {"custom_id": "r", "result": {"type": "succeeded", "message": message}}


def fetched(url: str, body: bytes, headers: Headers = (), **more: Any) -> Exchange:
    host, _, path = url.partition("/")
    made = Exchange(
        id="01J",
        started_at=1_795_176_000.0,
        method="GET",
        scheme="https",
        host=host,
        port=443,
        path="/" + path,
        request_headers=headers,
        request_body=b"",
        status=200,
        response_headers=[("content-type", "application/octet-stream")],
        chunks=[body],
        chunk_times=[1.0],
    )
    return replace(made, **more)


def lines(results: Sequence[Json]) -> bytes:
    return b"".join(json.dumps(result).encode() + b"\n" for result in results)


def read(exchange: Exchange) -> Finished:
    reader = Reader(hosts.load(), TABLE)
    record = reader.read(exchange)
    assert not reader.faults, record.notes
    return record


def test_a_row_has_sums_and_how_many_there_were() -> None:
    record = read(fetched(CONTENT, lines([openai(100), openai(200, 20)])))
    kept = row(record)
    assert (record.endpoint.operation, record.endpoint.counted) == ("batch", True)
    assert [kept[name] for name in ("batch_requests", "input_tokens", "output_tokens")] == [
        2,
        300,
        30,
    ]
    assert record.charge.usd == (300 * Decimal("1.25") + 30 * Decimal("7.5")) / 1_000_000


def test_what_a_price_rests_on_comes_back_from_the_log() -> None:
    prompts = (10, 7_999, 8_000, 8_001, 272_000, 272_001, 272_001)
    results = [openai(prompt) for prompt in prompts] + [openai(5, model="gpt-5.4-mini")]
    record = read(fetched(CONTENT, lines(results)))
    basis = facts.read(row(record))
    assert basis == record.charge.basis
    assert basis is not None
    assert pricing.price(basis, TABLE) == record.charge
    shares = {(share.models, share.prompt): share.usage["request"] for share in basis.shares}
    assert shares == {
        (("gpt-5.4",), 7_999): 2,
        (("gpt-5.4",), 8_000): 1,
        (("gpt-5.4",), 8_001): 1,
        (("gpt-5.4",), 272_000): 1,
        (("gpt-5.4",), 272_001): 2,
        (("gpt-5.4-mini",), 5): 1,
    }


def test_each_request_costs_what_it_would_cost_alone() -> None:
    prompts = [1, 900, 31_999, 32_001, 128_000, 128_001, 199_999, 272_000, 272_001, 500_000]
    together = read(fetched(CONTENT, lines([openai(prompt) for prompt in prompts])))
    alone = [read(fetched(CONTENT, lines([openai(prompt)]))) for prompt in prompts]
    assert together.charge.usd == sum(each.charge.usd or 0 for each in alone)


def test_where_a_request_was_served_is_its_own() -> None:
    record = read(fetched(RESULTS, lines([anthropic(1000, "us"), anthropic(1000, "global")])))
    assert record.charge.usd == Decimal("0.00275") + Decimal("0.0025")
    assert facts.read(row(record)) == record.charge.basis


def test_another_model_is_priced_by_the_request_too() -> None:
    record = read(fetched(CONTENT, lines([openai(100_000) for _ in range(3)])))
    assert record.charge.basis is not None
    other = pricing.on_another(record.charge.basis, "anthropic", "claude-haiku-4-5")
    assert [share.prompt for share in other.shares] == [100_000]
    assert other.tier == "batch"
    assert nano(pricing.price(other, TABLE).usd) == 300_000 * 500 + 30 * 2_500


def test_the_model_that_is_named_for_the_price_holds_for_all() -> None:
    headers = [("helicone-model-override", "gpt-5.4-mini")]
    record = read(fetched(CONTENT, lines([openai(100), openai(1, model="x")]), headers))
    assert record.charge.basis is not None
    assert [share.models for share in record.charge.basis.shares] == [("gpt-5.4-mini",)] * 2
    assert record.charge.usd is not None


def test_one_request_without_a_price_leaves_the_batch_unpriced() -> None:
    record = read(fetched(CONTENT, lines([openai(100), openai(1, model="nobody-knows")])))
    assert record.charge.usd is None
    assert "nobody-knows" in (record.charge.unpriced_reason or "")


def test_a_request_that_tells_no_usage_leaves_it_unpriced() -> None:
    silent = openai(1)
    del silent["response"]["body"]["usage"]
    record = read(fetched(CONTENT, lines([openai(100), silent])))
    assert record.charge.unpriced_reason == "the provider reported no usage"
    assert record.answer.usage.input_tokens == 100


def test_what_the_provider_says_itself_is_added_up() -> None:
    url = "openrouter.ai/api/v1/files/file-1/content"
    told = [openai(1, cost=0.25), openai(1, cost=0.5)]
    assert read(fetched(url, lines(told))).charge.provider_usd == Decimal("0.75")
    assert read(fetched(url, lines([*told, openai(1)]))).charge.provider_usd is None


@pytest.mark.parametrize(
    "url",
    [
        "api.groq.com/openai/v1/files/f1/content",
        "api.together.xyz/v1/files/f1/content",
        "api.mistral.ai/v1/files/f1/content",
        "example.openai.azure.com/openai/files/f1/content?api-version=2024-10-21",
        "example.openai.azure.com/openai/v1/files/f1/content",
        "dashscope.aliyuncs.com/compatible-mode/v1/files/f1/content",
    ],
)
def test_others_have_the_same_files(url: str) -> None:
    record = read(fetched(url, lines([openai(100)])))
    assert record.answer.response_id == "f1"
    assert row(record)["batch_requests"] == 1


def test_geminis_results_may_be_a_file() -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 12}
    response = {"candidates": [], "modelVersion": "gemini-2.5-flash", "usageMetadata": usage}
    results = [{"key": "r1", "response": response}, {"key": "r2", "error": {"code": 3}}]
    url = "generativelanguage.googleapis.com/download/v1beta/files/f1:download?alt=media"
    record = read(fetched(url, lines(results)))
    assert record.charge.usd == (10 * Decimal("0.15") + 2 * Decimal("1.25")) / 1_000_000
    assert "1 of 2 requests of the batch failed" in record.notes


BROKEN = [gzip.compress(lines([openai(1)])), b"\x1f\x8bno gzip"]
PART = "only a part of the batch's results was seen"


@pytest.mark.parametrize(
    "exchange",
    [
        fetched(CONTENT, lines([openai(1)]), ending="client_gone"),
        fetched(CONTENT, lines([openai(1)]), response_truncated=True),
        fetched(CONTENT, lines([openai(1)]), status=206),
        fetched(CONTENT, lines([openai(1)]) + b'{"custom_id": "r2", "resp'),
        fetched(CONTENT, lines([openai(1), {"odd": 1}])),
        fetched(CONTENT, b"", chunks=BROKEN, response_headers=[("content-encoding", "gzip")]),
    ],
    ids=["hung up", "too large", "a range", "a line that was cut off", "another line", "broken"],
)
def test_a_part_of_the_results_is_unpriced_and_not_what_counts(exchange: Exchange) -> None:
    record = read(exchange)
    assert (record.charge.usd, record.charge.unpriced_reason) == (None, PART)
    assert record.answer.job == "part"
    assert record.answer.usage.input_tokens == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b'{"messages": [{"role": "user", "content": "x"}]}\n' * 3,
        b"\xff\xfb\x90\x64" * 1000,
        json.dumps(openai(1), indent=2).encode(),
        b'["custom_id", "response"]\n',
    ],
    ids=["nothing", "empty lines", "training data", "sound", "written over lines", "lists"],
)
def test_any_other_file_stays_a_file_and_free(body: bytes) -> None:
    record = read(fetched(CONTENT, body))
    assert (record.endpoint.operation, record.endpoint.counted) == ("file", False)
    assert (record.answer.batch, record.charge.usd) == (None, 0)


def test_an_error_in_place_of_the_results_is_an_error() -> None:
    error = {"error": {"message": "No such File object", "type": "invalid_request_error"}}
    record = read(fetched(CONTENT, json.dumps(error, indent=2).encode(), status=404))
    assert (record.outcome, record.error_message) == ("error", "No such File object")


def test_what_waits_in_a_file_is_read_with_the_rest() -> None:
    body = lines([openai(100) for _ in range(500)])
    with TemporaryFile() as rest:
        rest.write(body[1000:])
        record = read(fetched(CONTENT, body[:1000], rest=rest))
        assert rest.closed
    assert record.answer.usage.input_tokens == 50_000
    assert record.response_bytes == len(body)
    assert record.response_text is None
    assert "the response is too large to be kept in the log" in record.notes


def _limits() -> list[int]:
    files = [file for provider in TABLE.providers() for file in TABLE.files(provider)]
    prices = (price for file in files for model in file.model for price in model.price)
    variants = (variant for price in prices for variant in price.variant)
    return sorted({one.prompt_from for one in variants if one.prompt_from is not None})


LIMITS = _limits()
HEAD = Head(200, (), Endpoint("acme", "batch", None), Prompt())
PROMPTS = st.builds(
    lambda limit, more: max(0, limit + more), st.sampled_from(LIMITS), st.integers(-1100, 1100)
) | st.integers(0, 1_100_000)


def test_there_are_long_context_prices() -> None:
    assert {200_001, 272_001} <= set(LIMITS)


@given(st.lists(PROMPTS, min_size=1, max_size=20))
def test_no_long_context_price_begins_within_what_is_added_up(prompts: list[int]) -> None:
    results = BatchResults(lambda line: Answer(model="m", usage=Usage("reported", line["n"])))
    for prompt in prompts:
        results.add({"n": prompt})
    answer = results.answer(HEAD)
    assert answer is not None
    assert answer.batch is not None
    assert sum(part.requests for part in answer.batch.parts) == len(prompts)
    assert answer.usage.input_tokens == sum(prompts)
    for limit in LIMITS:
        long = sum(prompt for prompt in prompts if prompt >= limit)
        kept = (part for part in answer.batch.parts if part.prompt >= limit)
        assert sum(part.usage.input_tokens or 0 for part in kept) == long


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
_RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "status_code": st.sampled_from([200, 400]) | _ODD,
        "body": st.just(openai(3)["response"]["body"]) | _ODD,
    },
)
_RESULT = st.fixed_dictionaries(
    {},
    optional={
        "custom_id": _ODD,
        "response": _RESPONSE | _ODD,
        "error": _ODD,
        "result": st.fixed_dictionaries(
            {"type": st.sampled_from(["succeeded", "errored"]) | _ODD}, optional={"message": _ODD}
        )
        | _ODD,
        "key": _ODD,
    },
)
_LINE = (_RESULT | _ODD).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)
FILES = (
    CONTENT,
    RESULTS,
    "generativelanguage.googleapis.com/download/v1beta/files/f1:download?alt=media",
)


@given(st.sampled_from(FILES), st.lists(_LINE, max_size=6), st.integers(1, 50))
def test_odd_lines_make_no_fault(url: str, odd: list[bytes], size: int) -> None:
    body = b"\n".join(odd)
    whole = read(fetched(url, body))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    cut = read(fetched(url, b"", chunks=pieces, chunk_times=[1.0] * len(pieces)))
    assert repr(cut.answer) == repr(whole.answer)
    assert whole.charge.usd is None or whole.charge.usd >= 0
    facts.read(row(whole))
