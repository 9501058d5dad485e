"""Answers in another dialect: as they come, whole, compressed, and from the cache."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest
from mitmproxy import http

from llmitm.mitm.answering import PACING
from llmitm.mitm.guard import faults
from llmitm.mitm.translating import Translating, forget, translate
from llmitm.policy.routing import Route, Routing
from llmitm.providers.hosts import load
from llmitm.served import ServedModels
from llmitm.translate import Untranslatable
from mitm import flows

ROUTING = Routing(load(), ServedModels.read())
CHUNKS = [
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n',
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
    b"data: [DONE]\n\n",
]
WHOLE = json.dumps(
    {
        "id": "c",
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
).encode()  # fmt: skip


@pytest.fixture(autouse=True)
def no_faults() -> object:
    faults.clear()
    yield
    assert not faults


def sent(*, stream: bool) -> http.HTTPFlow:
    """Return Claude Code's call to a model of OpenAI's, on its way."""
    flow = flows.request("/v1/messages")
    route = ROUTING.resolve("gpt-4o-mini", client="anthropic_messages")
    assert isinstance(route, Route)
    document = {
        "model": "gpt-4o-mini",
        "max_tokens": 9,
        "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    done = translate(flow, "anthropic_messages", route, document, "gpt-4o-mini")
    assert done.path == "/v1/chat/completions"
    assert flow.request.headers["accept-encoding"] == "identity"
    return flow


def answered(flow: http.HTTPFlow, kind: str, body: bytes | None, **headers: str) -> http.Response:
    told = {"content-type": kind, "x-ratelimit-remaining-requests": "9", "server": "x", **headers}
    flow.response = http.Response.make(200, body or b"", told)
    if body is None:
        flow.response.raw_content = None
    Translating().responseheaders(flow)
    return flow.response


def through(response: http.Response, data: bytes) -> bytes:
    assert callable(response.stream)
    out: Iterable[bytes] | bytes = response.stream(data)
    return out if isinstance(out, bytes) else b"".join(out)


def events(stream: bytes) -> list[Any]:
    lines = stream.decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def text(told: list[Any]) -> str:
    return "".join(e["delta"].get("text", "") for e in told if e["type"] == "content_block_delta")


def test_a_stream_is_translated_as_it_comes() -> None:
    response = answered(sent(stream=True), "text/event-stream", None, **{"content-length": "1"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    assert "server" not in response.headers
    assert response.headers["x-ratelimit-remaining-requests"] == "9"
    got = [through(response, chunk) for chunk in CHUNKS]
    assert text(events(got[1])) == "Hel"
    assert text(events(got[2])) == "lo"
    end = through(response, b"")
    told = events(b"".join(got) + end)
    assert told[0]["type"] == "message_start"
    assert told[-1]["type"] == "message_stop"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_whole_answer(compressed: bool) -> None:
    """A provider that compresses though it was asked not to is understood too."""
    told = {"content-encoding": "gzip"} if compressed else {}
    response = answered(sent(stream=False), "application/json", None, **told)
    body = gzip.compress(WHOLE) if compressed else WHOLE
    out = b"".join(through(response, body[at : at + 7]) for at in range(0, len(body), 7))
    message = json.loads(out + through(response, b""))
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["output_tokens"] == 2
    assert "content-encoding" not in response.headers


def test_an_answer_of_our_own() -> None:
    """mitmproxy applies no stream to the cache's answers, so they are translated as a whole."""
    response = answered(sent(stream=False), "application/json", WHOLE)
    message = json.loads(response.raw_content or b"")
    assert message["content"][0]["text"] == "Hello"
    assert response.headers["content-length"] == str(len(response.raw_content or b""))
    assert not callable(response.stream)


def test_a_replay_keeps_its_pace() -> None:
    flow = sent(stream=True)
    flow.metadata[PACING] = [(chunk, number / 10) for number, chunk in enumerate(CHUNKS)]
    response = answered(flow, "text/event-stream", b"".join(CHUNKS))
    pacing = flow.metadata[PACING]
    assert b"".join(piece for piece, _ in pacing) == response.raw_content
    assert [wait for _, wait in pacing] == [0.0, 0.1, 0.2, 0.3, 0.0]
    assert text(events(response.raw_content or b"")) == "Hello"


def test_what_is_not_translated_any_more_passes() -> None:
    flow = sent(stream=False)
    forget(flow)
    response = answered(flow, "application/json", WHOLE)
    assert response.raw_content == WHOLE


def test_no_translation_between_some() -> None:
    route = ROUTING.resolve("text-embedding-3-small")
    assert isinstance(route, Route)
    with pytest.raises(Untranslatable, match="no translation from openai_embeddings"):
        translate(flows.request(), "openai_embeddings", route, {}, "m")
