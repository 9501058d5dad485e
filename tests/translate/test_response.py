"""What the client reads is what the provider said: whole and streamed, in any pieces, whatever the pair of dialects."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import Answer, Endpoint, Prompt
from llmitm.providers import dialects
from llmitm.providers.base import Head
from llmitm.translate import ResponseTranslator, between
from translate.answers import (
    CLIENTS,
    PAIRS,
    PROVIDERS,
    SAID,
    Said,
    anything_said,
    headers,
    stream,
    whole,
)
from wire.chunks import cut_points, pieces

_KINDS = {
    "stop": "stop",
    "end_turn": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "incomplete": "length",
    "tool_calls": "tool_use",
    "tool_use": "tool_use",
}
pairs = pytest.mark.parametrize(("client", "provider"), PAIRS)
sayings = pytest.mark.parametrize("said", SAID.values(), ids=SAID)
both = pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])


def translator(
    client: str, provider: str, streaming: bool, status: int = 200
) -> ResponseTranslator:
    translation = between(client, provider)
    assert translation is not None
    # The client's wish for usage is part of its request.
    given = {"messages": [{"role": "user", "content": "hi"}], "input": "hi", "max_tokens": 10}
    given |= {"stream": streaming, "stream_options": {"include_usage": True}}
    translation.request(given, model="some-model")
    asked = headers(provider, streaming and status < 400)
    return translation.response(status, asked, streaming=streaming, model="asked-model")


def translated(client: str, provider: str, said: Said, streaming: bool) -> bytes:
    response = translator(client, provider, streaming)
    body = stream(provider, said) if streaming else whole(provider, said)
    return response.feed(body) + response.flush()


def read(dialect: str, body: bytes, streaming: bool) -> Answer:
    endpoint = Endpoint("", "chat", dialect)
    kind = headers(dialect, streaming)
    head = Head(200, kind, endpoint, Prompt(streaming=streaming))
    return dialects.by_name(dialect).read_response(body, head)


def meaning(answer: Answer) -> list[object]:
    """Return all that has to be the same in every dialect."""
    finish = _KINDS[answer.finish_reason or ""]
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in answer.tool_calls]
    if calls and finish == "stop":
        finish = "tool_use"  # Responses have no word of their own for it
    usage = answer.usage
    tokens = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens or 0)
    return [answer.text, answer.reasoning, calls, finish, tokens, usage.reasoning_tokens or 0]


@both
@sayings
@pairs
def test_client_reads_what_provider_said(
    client: str, provider: str, said: Said, streaming: bool
) -> None:
    body = translated(client, provider, said, streaming)
    given = stream(provider, said) if streaming else whole(provider, said)
    answer = read(client, body, streaming)
    assert meaning(answer) == meaning(read(provider, given, streaming))
    assert answer.model in ("some-model", "asked-model")
    assert answer.error_type is None


@pairs
@given(said=anything_said(), cuts=cut_points)
def test_pieces_do_not_matter(client: str, provider: str, said: Said, cuts: list[int]) -> None:
    body = stream(provider, said)
    response = translator(client, provider, streaming=True)
    in_pieces = b"".join(map(response.feed, pieces(body, cuts))) + response.flush()
    assert in_pieces == translated(client, provider, said, streaming=True)
    assert meaning(read(client, in_pieces, True)) == meaning(read(provider, body, True))


@pairs
@given(said=anything_said())
def test_whole_and_stream_say_the_same(client: str, provider: str, said: Said) -> None:
    streamed = read(client, translated(client, provider, said, True), True)
    assert meaning(read(client, translated(client, provider, said, False), False)) == meaning(
        streamed
    )


@pairs
def test_stream_is_live(client: str, provider: str) -> None:
    """Each piece of text is passed on when it comes, not when the next one does."""
    body = stream(provider, SAID["text"])
    end = body.index(b"Goo") + 1
    response = translator(client, provider, streaming=True)
    assert b"Goo" not in response.feed(body[:end])
    sent = b""
    while b"Goo" not in sent:
        sent += response.feed(body[end : end + 1])
        end += 1
    assert b"d m" not in body[:end]


@both
@pairs
def test_json_for_a_stream_and_a_stream_for_json(
    client: str, provider: str, streaming: bool
) -> None:
    """What the provider sends is told by its content type, not by what was asked for."""
    said = SAID["parallel calls"]
    translation = between(client, provider)
    assert translation is not None
    kind = headers(provider, not streaming)
    response = translation.response(200, kind, streaming=streaming, model="m")
    body = whole(provider, said) if streaming else stream(provider, said)
    answer = read(client, response.feed(body) + response.flush(), streaming)
    assert meaning(answer)[:3] == meaning(read(provider, body, not streaming))[:3]


@pairs
def test_stream_that_breaks_off_is_an_error(client: str, provider: str) -> None:
    body = stream(provider, SAID["text"])
    response = translator(client, provider, streaming=True)
    sent = response.feed(body[: body.index(b"orn")]) + response.flush()
    answer = read(client, sent, True)
    assert answer.error_message == "the provider's answer ended before it was complete"
    assert answer.text == "Good m"


@both
@pairs
@given(junk=st.binary(max_size=200), cuts=cut_points)
def test_junk_is_an_error_of_the_clients(
    client: str, provider: str, streaming: bool, junk: bytes, cuts: list[int]
) -> None:
    response = translator(client, provider, streaming)
    sent = b"".join(map(response.feed, pieces(junk, cuts))) + response.flush()
    assert read(client, sent, streaming).error_message


@both
@pairs
@given(said=anything_said(), at=st.integers(0, 10_000), junk=st.binary(max_size=8))
def test_changed_bytes_never_raise(
    client: str, provider: str, streaming: bool, said: Said, at: int, junk: bytes
) -> None:
    body = stream(provider, said) if streaming else whole(provider, said)
    at %= len(body)
    response = translator(client, provider, streaming)
    sent = response.feed(body[:at] + junk + body[at + len(junk) :]) + response.flush()
    assert read(client, sent, streaming).document is not None


_ERRORS = {
    "openai_chat": {
        "error": {"message": "Too much", "type": "tokens", "code": "rate_limit_exceeded"}
    },
    "openai_responses": {"error": {"message": "Too much", "type": "tokens", "code": None}},
    "anthropic_messages": {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Too much"},
    },
    "bedrock_converse": {"message": "Too much"},
}
_RATE_LIMIT = {
    "openai_chat": "rate_limit_error",
    "openai_responses": "rate_limit_error",
    "anthropic_messages": "rate_limit_error",
}


@both
@pairs
def test_refusal_is_the_clients_own_error(client: str, provider: str, streaming: bool) -> None:
    translation = between(client, provider)
    assert translation is not None
    given = [("content-type", "application/json"), ("retry-after", "7"), ("server", "x")]
    response = translation.response(429, given, streaming=streaming, model="m")
    body = json.dumps(_ERRORS[provider]).encode()
    assert response.feed(body) == b""
    head = Head(429, (), Endpoint("", "chat", client), Prompt())
    answer = dialects.by_name(client).read_response(response.flush(), head)
    assert (answer.error_type, answer.error_message) == (_RATE_LIMIT[client], "Too much")
    assert response.status == 429
    assert dict(response.headers()) == {"content-type": "application/json", "retry-after": "7"}


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p != "openai_responses"])
def test_error_in_a_whole_answer_is_a_bad_gateway(provider: str) -> None:
    response = translator("openai_responses", provider, streaming=False)
    response.feed(json.dumps({"error": {"message": "Oh", "code": 503}}).encode())
    assert json.loads(response.flush())["error"]["message"] == "Oh"
    assert response.status == 502


@pytest.mark.parametrize("client", CLIENTS)
def test_headers_are_the_clients_own(client: str) -> None:
    provider = next(p for p in PROVIDERS if p != client)
    translation = between(client, provider)
    assert translation is not None
    given = [
        ("Content-Type", "text/event-stream"),
        ("Content-Length", "5"),
        ("X-Request-Id", "req_1"),
        ("set-cookie", "a=b"),
    ]
    streamed = dict(translation.response(200, given, streaming=True, model="m").headers())
    assert streamed.pop("content-type").startswith("text/event-stream")
    assert streamed.pop("cache-control") == "no-cache"
    name = "request-id" if client == "anthropic_messages" else "x-request-id"
    assert streamed == {name: "req_1"}


def test_no_translation_where_none_is_needed_or_there_is_none() -> None:
    assert between("openai_chat", "openai_chat") is None
    assert between("openai_chat", "cohere_chat") is None
    assert between("gemini", "openai_chat") is None
