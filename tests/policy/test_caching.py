from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from exchanged import exchanged
from llmitm.calls import Endpoint, Exchange, Headers
from llmitm.policy.caching import decoded, is_given, read_to_save, replayed

CHAT = Endpoint("openai", "chat", "openai_chat")
ANSWER = {
    "id": "1",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
}


def call(**changed: Any) -> Exchange:
    made = exchanged("api.openai.com/v1/chat/completions", ANSWER, {"model": "gpt-4o-mini"})
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def streamed(*events: str, end: str = "data: [DONE]\n\n") -> Exchange:
    made = call(chunks=[f"data: {each}\n\n".encode() for each in events] + [end.encode()])
    made.chunk_times = [float(number) for number, _ in enumerate(made.chunks)]
    made.response_headers = [("content-type", "text/event-stream")]
    made.request_body = b'{"stream":true}'
    return made


def chunk(text: str, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "1", "model": "m", "choices": [choice]})


def test_an_answer_that_may_be_kept() -> None:
    assert is_given(call())
    answer = read_to_save(call(), CHAT)
    assert answer is not None
    assert answer.model == "gpt-4o-mini"
    assert read_to_save(streamed(chunk("Hi"), chunk("", "stop")), CHAT) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"status": 429},
        {"status": 500},
        {"status": 304},
        {"status": 202},
        {"status": 206},
        {"status": None},
        {"ending": "client_gone"},
        {"ending": "upstream_broke"},
        {"response_truncated": True},
        {"response_unseen": 1},
    ],
)
def test_what_was_not_given_whole(changed: dict[str, Any]) -> None:
    assert not is_given(call(**changed))


@pytest.mark.parametrize(
    "made",
    [
        streamed(chunk("Hi"), '{"error":{"message":"overloaded","type":"server_error"}}'),
        streamed(chunk("Hi"), end=""),
        call(chunks=[b'{"error":{"message":"no","type":"x"}}']),
        call(chunks=[b'{"choices":[{"mess']),
        call(chunks=[b"<html>Bad gateway</html>"]),
    ],
)
def test_what_says_that_it_failed_or_ended_early(made: Exchange) -> None:
    assert is_given(made)
    assert read_to_save(made, CHAT) is None


def test_a_job_that_runs_is_no_answer() -> None:
    running = {"id": "p1", "status": "starting", "model": "m", "urls": {}, "output": None}
    made = exchanged("api.replicate.com/v1/models/a/b/predictions", running, {"input": {}})
    made.status = 201
    assert read_to_save(made, Endpoint("replicate", "image", "replicate")) is None
    running |= {"status": "succeeded", "output": ["https://x"]}
    done = exchanged("api.replicate.com/v1/models/a/b/predictions", running, {"input": {}})
    assert read_to_save(done, Endpoint("replicate", "image", "replicate")) is not None


def test_the_headers_of_an_answer_that_is_given_again() -> None:
    headers: Headers = [
        ("Content-Type", "application/json"),
        ("X-Request-Id", "req_1"),
        ("openai-processing-ms", "12"),
        ("Content-Length", "9"),
        ("Content-Encoding", "br"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("Date", "today"),
        ("Set-Cookie", "a=b"),
        ("x-ratelimit-remaining-requests", "1"),
        ("anthropic-ratelimit-tokens-reset", "soon"),
        ("ratelimit-policy", "1;w=1"),
        ("retry-after", "1"),
        ("Helicone-Id", "x"),
    ]
    assert replayed(headers) == headers[:3]


def test_chunks_out_of_their_encoding() -> None:
    whole = gzip.compress(b"one two three")
    made = call(chunks=[whole[:12], whole[12:15], whole[15:]], chunk_times=[1.0, 2.0, 3.0])
    made.response_headers = [("content-encoding", "gzip")]
    chunks = decoded(made)
    assert chunks is not None
    assert b"".join(piece for piece, _ in chunks) == b"one two three"
    made.response_headers = [("content-encoding", "unheard-of")]
    assert decoded(made) is None
