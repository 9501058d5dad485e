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


@pytest.mark.parametrize("provider", NAMES)
def test_real_answers_say_the_same(provider: str) -> None:
    for identifier, dialect, endpoint, exchange, streaming in _answers(provider):
        body = b"".join(exchange.chunks)
        if exchange.status != 200 or not body.strip():
            continue
        prompt = Prompt(streaming=streaming)
        said = dialect.read_response(body, Head(200, exchange.response_headers, endpoint, prompt))
        for client in CLIENTS:
            translation = between(client, dialect.name)
            if translation is None or header(exchange.response_headers, "content-encoding"):
                continue
            asked = {"messages": [{"role": "user", "content": "x"}], "input": "x"}
            translation.request(asked | {"stream_options": {"include_usage": True}}, model="m")
            response = translation.response(
                200, exchange.response_headers, streaming=streaming, model="m"
            )
            written = response.feed(body) + response.flush()
            kind = "text/event-stream" if streaming else "application/json"
            head = Head(
                response.status, [("content-type", kind)], Endpoint("", "chat", client), prompt
            )
            assert _meaning(by_name(client).read_response(written, head)) == _meaning(said), (
                f"{identifier} as {client}"
            )


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
