"""Bedrock, where samples of whole calls do not reach: hosts and paths, first content, odd framing, errors, quantities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmitm import trust
from llmitm.calls import Endpoint, Exchange, Headers
from llmitm.measures import measure
from llmitm.providers import hosts
from llmitm.providers.base import Head, StreamReader
from llmitm.providers.dialects import by_name
from providers.samples import FOLDER, load
from wire import aws

TABLE = hosts.load()
RUNTIME = "bedrock-runtime.us-east-1.amazonaws.com"
CONVERSE = by_name("bedrock_converse")
INVOKE = by_name("bedrock_invoke")


def sample(name: str) -> Path:
    return FOLDER / "bedrock" / name


def endpoint(url: str, method: str = "POST") -> Endpoint | None:
    host, _, path = url.partition("/")
    entry = TABLE.find(host, 443)
    assert entry is not None
    assert entry.name == "bedrock"
    return TABLE.endpoint(entry, method, "/" + path)


@pytest.mark.parametrize(
    "host",
    [
        RUNTIME,
        "bedrock-runtime.ap-southeast-7.amazonaws.com",
        "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        "bedrock-agent-runtime.eu-central-1.amazonaws.com",
        "bedrock-mantle.us-west-2.api.aws",
    ],
)
def test_hosts_of_every_region(host: str) -> None:
    found = TABLE.find(host, 443)
    assert found is not None
    assert found.name == "bedrock"


@pytest.mark.parametrize(
    "host",
    [
        "bedrock.us-east-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "sts.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com.example.com",
        "x.bedrock-runtime.us-east-1.amazonaws.com",
    ],
)
def test_the_rest_of_aws_is_left_alone(host: str) -> None:
    assert TABLE.find(host, 443) is None


def test_the_ca_cannot_sign_for_the_rest_of_aws() -> None:
    suffixes = trust.allow(TABLE.names()).suffixes
    ours = [name for name in suffixes if "amazonaws" in name or name.endswith(".aws")]
    assert RUNTIME in ours
    assert all(name.startswith("bedrock-") for name in ours)


@pytest.mark.parametrize(
    ("path", "operation", "dialect", "model"),
    [
        ("/model/m/converse", "chat", "bedrock_converse", "m"),
        ("/model/a.b-v1%3A0/converse-stream", "chat", "bedrock_converse", "a.b-v1:0"),
        (
            "/model/arn:aws:bedrock:x:1:p/y/invoke",
            "chat",
            "bedrock_invoke",
            "arn:aws:bedrock:x:1:p/y",
        ),
        (
            "/model/us.cohere.embed-v4%3A0/invoke",
            "embedding",
            "bedrock_invoke",
            "us.cohere.embed-v4:0",
        ),
        ("/model/amazon.rerank-v1%3A0/invoke", "rerank", "bedrock_invoke", "amazon.rerank-v1:0"),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Famazon.titan-image-generator-v2%3A0/invoke",
            "image",
            "bedrock_invoke",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-image-generator-v2:0",
        ),
        ("/model/m/count-tokens", "count_tokens", "bedrock_resources", "m"),
        ("/guardrail/g/version/DRAFT/apply", "other", "bedrock_resources", None),
        ("/retrieveAndGenerate", "other", "bedrock_resources", None),
        ("/flows/F/aliases/A", "other", "bedrock_resources", None),
        ("/openai/v1/responses", "chat", "openai_responses", None),
        ("/anthropic/v1/messages", "chat", "anthropic_messages", None),
    ],
)
def test_what_a_path_means(path: str, operation: str, dialect: str, model: str | None) -> None:
    found = endpoint(RUNTIME + path)
    assert found is not None
    assert (found.operation, found.dialect, found.model) == (operation, dialect, model)
    assert found.counted


def test_asking_after_a_job_is_not_counted() -> None:
    found = endpoint(RUNTIME + "/async-invoke/arn%3Aaws%3Abedrock", "GET")
    assert found is not None
    assert not found.counted


@pytest.mark.parametrize(
    ("case", "before"),
    [
        (
            "converse_stream",
            aws.event("messageStart", {"role": "assistant", "p": "abcdefghijklmnop"}),
        ),
        ("invoke_llama_stream", b""),
    ],
)
def test_the_first_content_is_noticed(case: str, before: bytes) -> None:
    loaded = load(sample(case))
    reader = loaded.reader()
    start = len(before)
    assert not reader.feed(loaded.body[:start] or loaded.body[:20])
    assert reader.feed(loaded.body[start or 20 :])


def test_a_stream_that_nothing_labels_is_known_by_its_first_byte() -> None:
    loaded = load(sample("converse_stream"))
    labelled = loaded.reader()
    labelled.feed(loaded.body)
    bare = StreamReader(loaded.dialect, replace(loaded.head, headers=()))
    bare.feed(loaded.body)
    assert bare.streamed
    assert bare.close().text == labelled.close().text


def test_a_stream_that_breaks_off_keeps_what_came() -> None:
    loaded = load(sample("converse_stream"))
    reader = loaded.reader()
    reader.feed(loaded.body[: loaded.body.index(b"messageStop") - 20])
    answer = reader.close()
    assert answer.text == "Let me look."
    assert [call.name for call in answer.tool_calls] == ["get_weather"]
    assert answer.finish_reason is None
    assert answer.usage.source == "none"


@pytest.mark.parametrize(
    ("headers", "body", "error_type"),
    [
        ([("X-Amzn-Errortype", "ThrottlingException")], b'{"message":"m"}', "ThrottlingException"),
        (
            [("x-amzn-errortype", "AccessDeniedException:http://internal.amazon.com/x/")],
            b'{"Message":"m"}',
            "AccessDeniedException",
        ),
        (
            [],
            b'{"__type":"com.amazon.coral#UnknownOperationException","message":"m"}',
            "UnknownOperationException",
        ),
        ([], b'{"message":"m"}', None),
    ],
)
def test_errors(headers: Headers, body: bytes, error_type: str | None) -> None:
    found = endpoint(RUNTIME + "/model/m/invoke")
    assert found is not None
    prompt = INVOKE.read_request(b"{}", (), found)
    answer = INVOKE.read_response(body, Head(400, headers, found, prompt))
    assert (answer.error_type, answer.error_message, answer.text) == (error_type, "m", None)


def test_a_refusal_is_read_as_what_it_is() -> None:
    found = endpoint(RUNTIME + "/model/m/converse")
    assert found is not None
    refusal = CONVERSE.error(429, "ThrottlingException", "over the limit")
    answer = CONVERSE.answer(refusal, Head(429, (), found, CONVERSE.prompt({}, found)))
    assert (answer.error_type, answer.error_message) == ("ThrottlingException", "over the limit")


@pytest.mark.parametrize(
    ("case", "unit", "quantity"),
    [
        ("invoke_nova_canvas", "image", 2),
        ("rerank", "search_unit", 1),
        ("invoke_cohere_rerank", "search_unit", 1),
    ],
)
def test_what_is_charged_without_usage(case: str, unit: str, quantity: int) -> None:
    loaded = load(sample(case))
    answer = loaded.dialect.read_response(loaded.body, loaded.head)
    exchange = Exchange("1", 0.0, "POST", "https", RUNTIME, 443, "/", (), b"")
    measured = measure(loaded.endpoint, exchange, loaded.prompt, answer)
    assert measured.quantities[unit] == quantity
    if unit == "image":
        assert measured.attributes == {"quality": "standard", "size": "1024x1024"}
