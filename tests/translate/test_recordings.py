"""Real answers, recorded by others, read through a translation as they are without one.

The recordings are no part of this repository; they lie beside the checkout, and without them these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from llmitm.calls import Answer, Endpoint, Exchange, Prompt, header
from llmitm.providers.base import Dialect, Head
from llmitm.providers.dialects import by_name
from llmitm.translate import Untranslatable, between
from llmitm.wire import jsontext
from llmitm.wire.encodings import decode
from providers import recordings
from translate.answers import CLIENTS, PROVIDERS

NAMES = recordings.providers()
pytestmark = pytest.mark.skipif(not NAMES, reason="there are no recordings beside the checkout")

_OTHERS = frozenset({"cohere"})
"""Whose paths are like those of others, and whose answers are not."""
_ODD = {
    "anthropic-messages-21aa59581a2a": "several messages in one",
    "anthropic-messages-a627f046043e": "several messages in one",
    "azure-responses-7e8f54529da9": "several responses in one",
    "bedrock-converse-stream-4f55404ba2b1": "the framing was not recorded",
    "bedrock-converse-stream-6f9f7c07728f": "the framing was not recorded",
    "bedrock-converse-stream-a1dbc568554a": "the framing was not recorded",
    "cerebras-chat-8b282aeb0c9f": "a quotation mark after the last event",
    "cerebras-chat-e78823a6fb54": "two answers in one",
}


def _answers(provider: str) -> Iterator[tuple[str, Dialect, Endpoint, Exchange, bool]]:
    """Return the answers of a provider that are in a dialect which is translated."""
    for recording in recordings.recordings(provider):
        line = json.loads(recording.line)
        if provider in _OTHERS or line["id"] in _ODD or line["path"].endswith("/compact"):
            continue
        exchange = recording.exchange()
        for dialect in map(by_name, PROVIDERS):
            endpoint = dialect.endpoint(provider, exchange.method, exchange.path)
            if endpoint is not None and endpoint.operation == "chat":
                yield line["id"], dialect, endpoint, exchange, bool(line["streaming"])
                break


def _meaning(answer: Answer) -> list[object]:
    calls = [
        (call.name, jsontext.parse_or_none(call.arguments or "{}")) for call in answer.tool_calls
    ]
    usage = answer.usage
    # A refusal is text where there is no other place for it.
    text = answer.text or answer.refusal or ""
    return [
        text,
        calls,
        bool(answer.error_message),
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.cached_input_tokens or 0,
        usage.cache_write_tokens or 0,
    ]


def _read(client: str, dialect: Dialect, exchange: Exchange, streaming: bool) -> Answer | None:
    """Return what a client reads through a translation; None where there is none."""
    translation = between(client, dialect.name)
    if translation is None:
        return None
    asked = {"messages": [{"role": "user", "content": "x"}], "input": "x"}
    translation.request(asked | {"stream_options": {"include_usage": True}}, model="m")
    headers = [(k, v) for k, v in exchange.response_headers if k.lower() != "content-encoding"]
    assert exchange.status is not None
    response = translation.response(exchange.status, headers, streaming=streaming, model="m")
    encoding = header(exchange.response_headers, "content-encoding")
    written = response.feed(decode(b"".join(exchange.chunks), encoding)) + response.flush()
    head = Head(
        response.status,
        response.headers(),
        Endpoint("", "chat", client),
        Prompt(streaming=streaming),
    )
    return by_name(client).read_response(written, head)


@pytest.mark.parametrize("provider", NAMES)
def test_real_answers_say_the_same(provider: str) -> None:
    for identifier, dialect, endpoint, exchange, streaming in _answers(provider):
        body, prompt = b"".join(exchange.chunks), Prompt(streaming=streaming)
        if exchange.status != 200 or not body.strip():
            continue
        said = dialect.read_response(body, Head(200, exchange.response_headers, endpoint, prompt))
        for client in CLIENTS:
            answer = _read(client, dialect, exchange, streaming)
            if answer is not None:
                assert _meaning(answer) == _meaning(said), f"{identifier} as {client}"


@pytest.mark.parametrize("provider", NAMES)
def test_real_refusals_are_the_clients_own_errors(provider: str) -> None:
    for identifier, dialect, endpoint, exchange, streaming in _answers(provider):
        if exchange.status is None or exchange.status < 400:
            continue
        head = Head(exchange.status, exchange.response_headers, endpoint, Prompt())
        said = dialect.read_response(b"".join(exchange.chunks), head)
        for client in CLIENTS:
            answer = _read(client, dialect, exchange, streaming)
            if answer is not None:
                assert (said.error_message or "") in (answer.error_message or ""), identifier
                assert answer.error_type, identifier


@pytest.mark.parametrize("provider", NAMES)
def test_real_requests_are_translated_or_refused(provider: str) -> None:
    for _, dialect, _, exchange, _ in _answers(provider):
        document = jsontext.parse_or_none(exchange.request_body)
        for target in PROVIDERS:
            translation = between(dialect.name, target)
            if translation is None or not isinstance(document, dict):
                continue
            try:
                written = translation.request(document, model="some-model")
            except Untranslatable:
                continue
            assert isinstance(json.loads(written.body), dict)
