"""The reader's own part: what it makes of what the dialects, the identity, the estimate and the price say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm import identity
from llmitm.calls import Ending, Exchange, Finished, RateLimit
from llmitm.estimate import Estimator
from llmitm.providers import hosts
from llmitm.reading import Reader
from llmitm.redact import REDACTED
from llmitm.wire.encodings import LARGEST_DECODED
from llmitm_pricing import PriceTable

PRICES = PriceTable.load()
HOSTS = hosts.load()
KEY = "q9w8e7r6t5y4u3i2"
"""A key without a shape of its own: it can only be known as the call's."""
SHAPED = "sk-proj-abcdefghijklmnop1234"

REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1_000, "completion_tokens": 100},
}


def reader(**options: Any) -> Reader:
    return Reader(HOSTS, PRICES, Estimator(Path("none")), **options)


def events(*payloads: Any, done: bool = False) -> list[bytes]:
    """Return server-sent events, a chunk each."""
    chunks = [f"data: {json.dumps(payload)}\n\n".encode() for payload in payloads]
    return [*chunks, b"data: [DONE]\n\n"] if done else chunks


def piece(text: str | None = None, finish: str | None = None) -> dict[str, Any]:
    delta = {"content": text} if text is not None else {}
    return {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def chat(
    *chunks: bytes,
    body: Any = REQUEST,
    status: int | None = 200,
    ending: Ending = "complete",
    path: str = "/v1/chat/completions",
    host: str = "api.openai.com",
    headers: Sequence[tuple[str, str]] = (),
    response: Mapping[str, str] | None = None,
    error: str | None = None,
) -> Exchange:
    stream = any(chunk.startswith(b"data:") for chunk in chunks)
    kind = "text/event-stream" if stream else "application/json"
    return Exchange(
        id="01J",
        started_at=1_790_000_000.0,
        method="POST",
        scheme="https",
        host=host,
        port=443,
        path=path,
        request_headers=[("content-type", "application/json"), *headers],
        request_body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        status=status,
        response_headers=list({"content-type": kind, **(response or {})}.items()),
        chunks=list(chunks),
        chunk_times=[10.0 * number for number in range(1, len(chunks) + 1)],
        ending=ending,
        error_message=error,
    )


def whole(document: Any = ANSWER, **options: Any) -> Exchange:
    return chat(json.dumps(document).encode(), **options)


def read(exchange: Exchange) -> Finished:
    made = reader()
    record = made.read(exchange)
    assert made.faults == {}
    return record


def test_a_call_becomes_a_record() -> None:
    record = read(whole(headers=[("x-stainless-retry-count", "1")]))
    assert (record.endpoint.provider, record.endpoint.operation) == ("openai", "chat")
    assert (record.model, record.answer.text, record.outcome) == ("gpt-4o-mini", "Hello.", "ok")
    assert (record.streaming, record.first_content_ms, record.client_retry) == (False, None, 1)
    assert str(record.charge.usd) == "0.00021000"
    assert record.request_text == json.dumps(REQUEST)
    assert record.response_text == json.dumps(ANSWER)
    assert record.request_bytes == len(json.dumps(REQUEST))
    assert record.notes == []


def test_the_first_content_of_a_stream_has_its_time() -> None:
    record = read(
        chat(*events({"choices": [], "id": "1"}, piece(""), piece("Hel"), piece("lo"), done=True))
    )
    assert (record.streaming, record.first_content_ms) == (True, 30.0)
    assert record.answer.text == "Hello"
    assert json.loads(record.response_text or "")["choices"][0]["message"]["content"] == "Hello"


@pytest.mark.parametrize(
    ("exchange", "outcome", "error_type", "message"),
    [
        (whole(), "ok", None, None),
        (
            whole({"error": {"type": "t", "message": "m"}}, status=429),
            "error",
            "t",
            "m",
        ),
        (whole({"error": {"type": "t", "message": "m"}}), "error", "t", "m"),
        (chat(b"<html>bad gateway</html>", status=502), "error", None, None),
        (
            chat(*events(piece("Hel"), {"error": {"type": "t", "message": "m"}})),
            "error",
            "t",
            "m",
        ),
        (
            chat(status=None, ending="no_answer", error="connection refused"),
            "error",
            "no_answer",
            "connection refused",
        ),
        (
            chat(*events(piece("Hel")), ending="upstream_broke", error="reset"),
            "error",
            "upstream_broke",
            "reset",
        ),
        (
            chat(*events(piece("Hel")), ending="client_gone", error="client disconnected"),
            "cancelled",
            None,
            "client disconnected",
        ),
        (
            chat(*events(piece("Hello", "stop")), ending="client_gone", error="gone"),
            "ok",
            None,
            None,
        ),
        (chat(status=None, ending="client_gone", error="gone"), "cancelled", None, "gone"),
    ],
)
def test_how_a_call_ended(
    exchange: Exchange, outcome: str, error_type: str | None, message: str | None
) -> None:
    record = read(exchange)
    assert (record.outcome, record.error_type, record.error_message) == (
        outcome,
        error_type,
        message,
    )


def test_a_stream_that_the_client_left_is_estimated_as_far_as_it_came() -> None:
    said = "word " * 40
    record = read(chat(*events(piece(said)), ending="client_gone"))
    assert record.answer.usage.source == "estimated"
    assert (record.answer.usage.input_tokens, record.answer.usage.output_tokens) == (8, 50)
    assert record.charge.usd is not None
    assert record.notes == [
        "tokens are estimated: 4 bytes a token, for want of encodings (llmitm encodings fetch)"
    ]


def test_a_cut_stream_of_anthropic_keeps_the_tokens_of_its_prompt() -> None:
    usage = {"input_tokens": 30, "cache_read_input_tokens": 2_000, "output_tokens": 1}
    message = {"id": "m", "model": "claude-sonnet-4-6", "content": [], "usage": usage}
    block = {"type": "content_block_delta", "index": 0}
    cut = chat(
        *events(
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
            {**block, "delta": {"type": "text_delta", "text": "a" * 200}},
        ),
        host="api.anthropic.com",
        path="/v1/messages",
        body={"model": "claude-sonnet-4-6", "max_tokens": 1_000, "stream": True, "messages": []},
        ending="client_gone",
    )
    record = read(cut)
    used = record.answer.usage
    assert (record.outcome, record.answer.reported.input) == ("cancelled", 30)
    assert (used.input_tokens, used.cached_input_tokens, used.output_tokens) == (2_030, 2_000, 50)
    assert used.source == "estimated"
    assert record.charge.usd is not None


@pytest.mark.parametrize(
    "exchange",
    [
        whole({"error": {"message": "m"}}, status=500),
        chat(status=None, ending="no_answer"),
        chat(b"{}", path="/v1/models"),
        chat(b"{}", path="/v1/images/generations"),
    ],
)
def test_what_is_no_answer_of_a_model_is_not_estimated(exchange: Exchange) -> None:
    assert read(exchange).answer.usage.source == "none"


@pytest.mark.parametrize(
    ("status", "answer", "response", "milliseconds"),
    [
        (429, {"error": {"message": "Slow down"}}, {"retry-after-ms": "1500"}, 1_500),
        (529, {"error": {"message": "Overloaded"}}, {"retry-after": "2"}, 2_000),
        (429, {"error": {"message": "Please try again in 1m0.5s."}}, {}, 60_500),
        (503, {"error": {"message": "No"}}, {}, None),
        # Anthropic sends it with answers that succeeded.
        (200, ANSWER, {"retry-after": "10"}, None),
    ],
)
def test_a_refused_caller_was_told_to_wait(
    status: int, answer: Any, response: dict[str, str], milliseconds: int | None
) -> None:
    record = read(whole(answer, status=status, response=response))
    assert record.retry_after_ms == milliseconds


def test_what_a_filter_stopped_is_noted() -> None:
    inner = {
        "content_filter_result": {"hate": {"filtered": False}, "jailbreak": {"filtered": True}}
    }
    body = {"error": {"code": "content_filter", "message": "Filtered.", "innererror": inner}}
    path = "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    record = read(whole(body, status=400, host="contoso.openai.azure.com", path=path))
    assert (record.outcome, record.error_type) == ("error", "content_filter")
    assert record.notes == ["a filter of the provider's stopped the prompt: jailbreak"]


def test_limits_are_counted_from_the_moment_the_answer_began() -> None:
    exchange = whole(
        {"error": {"metadata": {"headers": {"X-RateLimit-Limit": "9", "X-RateLimit-Reset": "1"}}}},
        status=429,
        response={"x-ratelimit-limit": "20", "x-ratelimit-reset-tokens": "1s"},
        host="openrouter.ai",
        path="/api/v1/chat/completions",
    )
    exchange.first_byte_ms = 2_500
    # The body repeats headers; what came as a header goes before.
    assert read(exchange).rate_limits == [
        RateLimit("requests", 20),
        RateLimit("tokens", resets_at=1_790_000_003.5),
    ]


def test_the_limits_of_a_stream_that_tells_them_in_an_event() -> None:
    limits = {"primary": {"used_percent": 40, "window_minutes": 300, "reset_at": 1_790_000_900}}
    response = {"id": "resp_1", "model": "gpt-5.1-codex", "status": "completed", "output": []}
    exchange = chat(
        *events(
            {"type": "codex.rate_limits", "rate_limits": limits},
            {"type": "response.created", "response": response | {"status": "in_progress"}},
            {"type": "response.completed", "response": response},
        ),
        host="chatgpt.com",
        path="/backend-api/codex/responses",
    )
    record = read(exchange)
    assert record.rate_limits == [RateLimit("percent", 100, 60, 1_790_000_900, "5 hours")]
    assert record.answer.finish_reason == "completed"


def test_a_host_that_is_not_known_is_still_a_row() -> None:
    record = read(whole(host="example.com"))
    assert (record.endpoint.provider, record.endpoint.operation) == ("unknown", "other")
    assert (record.model, record.charge.usd) == ("gpt-4o-mini", None)


def test_bodies_in_their_content_encoding_are_kept_as_text() -> None:
    packed = gzip.compress(json.dumps(ANSWER).encode())
    exchange = chat(packed[:40], packed[40:], response={"content-encoding": "gzip"})
    exchange.request_headers = [*exchange.request_headers, ("content-encoding", "gzip")]
    exchange.request_body = gzip.compress(exchange.request_body)
    record = read(exchange)
    assert (record.request_text, record.response_text) == (json.dumps(REQUEST), json.dumps(ANSWER))
    assert record.response_bytes == len(packed)


def test_binary_bodies_are_not_kept() -> None:
    record = read(chat(b"\xff\xfb\x90\0", body=b"\0\1", path="/v1/audio/speech"))
    assert (record.request_text, record.response_text) == (None, None)
    assert record.response_bytes == 4


def test_large_media_and_vectors_are_left_out() -> None:
    picture = "data:image/png;base64," + "A" * 100_000
    small = "data:image/png;base64," + "B" * 1_000
    body = {"model": "m", "messages": [{"content": [{"url": picture}, {"url": small}]}]}
    parts = json.loads(read(whole(body=body)).request_text or "")["messages"][0]["content"]
    assert parts[0]["url"] == f"[media left out: {len(picture):,} characters]"
    assert parts[1]["url"] == small
    vectors = {"data": [{"embedding": [0.5, -1e-05] * 20}, {"embedding": [1, 2]}]}
    kept = json.loads(read(whole(vectors, path="/v1/embeddings")).response_text or "")
    assert [each["embedding"] for each in kept["data"]] == ["[40 numbers left out]", [1, 2]]


def test_bodies_are_left_out_on_demand_but_counted() -> None:
    headers = [("Helicone-Omit-Request", "true"), ("Helicone-Omit-Response", "true")]
    for record in (read(whole(headers=headers)), reader(keep_bodies=False).read(whole())):
        assert (record.request_text, record.response_text) == (None, None)
        assert (record.answer.usage.input_tokens, record.request_bytes > 0) == (1_000, True)


def test_a_body_that_was_too_large_to_keep_leaves_a_note() -> None:
    exchange = whole()
    exchange.request_truncated = exchange.response_truncated = True
    body = exchange.request_body
    exchange.request_body, exchange.request_gaps = body[:-20], [(len(body) - 20, 20)]
    exchange.response_unseen = 3_000
    record = read(exchange)
    assert record.notes == [
        "the request was too large to keep: 20 bytes passed unseen",
        "the response was too large to keep: 3,000 bytes passed unseen",
    ]
    assert record.request_bytes == len(body)
    assert record.response_bytes == sum(map(len, exchange.chunks)) + 3_000
    assert record.prompt.model == "gpt-4o-mini"  # what stands before the gap is read


SECRET_HEADERS = [
    ("Authorization", f"Bearer {KEY}"),
    ("authorization", f"Bearer other-key-0, {KEY}"),
    ("x-api-key", KEY),
    ("api-key", KEY),
    ("x-goog-api-key", KEY),
    ("Helicone-Auth", f"Bearer {KEY}"),
    ("Ocp-Apim-Subscription-Key", KEY),
    ("x-amz-security-token", KEY),
    ("Cookie", f"a=b; session={KEY}"),
]


def stored(record: Finished) -> Iterator[str]:
    """Return everything of a record that may reach the disk."""
    yield record.exchange.path
    yield from filter(None, (record.request_text, record.response_text, record.answer.text))
    yield from filter(None, (record.error_type, record.error_message, record.answer.error_message))
    yield from (*record.notes, *record.charge.notes, record.charge.unpriced_reason or "")
    yield json.dumps({**asdict(record.identity), "properties": dict(record.identity.properties)})


@pytest.mark.parametrize("secret_header", SECRET_HEADERS, ids=lambda header: header[0])
@pytest.mark.parametrize("place", ["request", "error", "answer", "stream", "network", "identity"])
def test_a_key_in_a_header_is_stored_nowhere(secret_header: tuple[str, str], place: str) -> None:
    told = f"the key {KEY} is wrong"
    headers = [secret_header]
    match place:
        case "request":
            exchange = whole(body={"model": "m", "messages": [{"content": told}], "user": KEY})
        case "error":
            exchange = whole({"error": {"message": told, "type": "auth"}}, status=401)
        case "answer":
            choices = [{"index": 0, "message": {"content": told}, "finish_reason": "stop"}]
            exchange = whole({"choices": choices})
        case "stream":
            exchange = chat(*events(piece(told[:10]), piece(told[10:], "stop"), done=True))
        case "network":
            exchange = chat(status=None, ending="no_answer", error=told)
        case _:
            exchange = whole()
            headers += [("Helicone-User-Id", KEY), ("Helicone-Property-Key", told)]
            headers += [("Helicone-Request-Id", KEY), ("User-Agent", f"curl {KEY}")]
    exchange.request_headers = [*exchange.request_headers, *headers]
    record = read(exchange)
    assert not any(KEY in text for text in stored(record))
    assert any(REDACTED in text for text in stored(record))


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "subscription-key"])
def test_a_key_in_the_query_is_stored_nowhere(name: str) -> None:
    record = read(
        whole(
            {"error": {"message": f"API key not valid: {KEY}", "status": "INVALID_ARGUMENT"}},
            host="generativelanguage.googleapis.com",
            path=f"/v1beta/models/gemini-2.5-flash:generateContent?alt=sse&{name}={KEY}",
            status=400,
        )
    )
    assert record.exchange.path.endswith(f":generateContent?alt=sse&{name}={REDACTED}")
    assert not any(KEY in text for text in stored(record))
    assert record.identity.api_key_fingerprint


@pytest.mark.parametrize("body", [f"no JSON: {SHAPED}", f'{{"error": "{SHAPED}"}}', f'"{SHAPED}"'])
def test_keys_are_known_by_their_shape_in_any_error_body(body: str) -> None:
    record = read(chat(body.encode(), status=401))
    assert not any(SHAPED in text for text in stored(record))
    assert REDACTED in (record.response_text or "")


def test_patterns_of_the_user_are_struck_out_everywhere() -> None:
    own = reader(redact=["[Hh]ello"])
    record = own.read(whole(body={"model": "m", "messages": [{"content": "Say hello."}]}))
    assert not any("ello" in text for text in stored(record))


def broken(*_: object) -> None:
    raise ValueError(f"a fault that quotes {SHAPED}")


@pytest.mark.parametrize(
    ("name", "note"), [("identify", "identity"), ("credentials", "secrets"), ("texts", "secrets")]
)
def test_a_fault_of_ours_leaves_the_rest(
    name: str, note: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(identity, name, broken)
    faulty = reader()
    for _ in range(2):
        exchange = whole(path=f"/v1/chat/completions?key={KEY}")
        if name == "identify":
            exchange.path = "/v1/chat/completions"
        record = faulty.read(exchange)
        assert (record.answer.usage.input_tokens, record.outcome) == (1_000, "ok")
        assert record.charge.usd is not None
        assert record.notes == [
            f"the {note} could not be read: ValueError: a fault that quotes {REDACTED}"
        ]
        assert not any(KEY in text or SHAPED in text for text in stored(record))
    assert faulty.faults == {note: 2}
    assert len(caplog.records) == 1  # said once, counted always


def test_what_cannot_be_read_at_all_is_still_a_row() -> None:
    record = reader().bare(whole(path=f"/v1/x?key={KEY}", status=500), broken_error())
    assert (record.outcome, record.exchange.path) == ("error", "/v1/x")
    assert record.notes == ["the call could not be read: ValueError"]
    assert not any(KEY in text or SHAPED in text for text in stored(record))


def broken_error() -> ValueError:
    return ValueError(SHAPED)


PATHS = [
    ("api.openai.com", "/v1/chat/completions"),
    ("api.openai.com", "/v1/responses"),
    ("api.openai.com", "/v1/embeddings"),
    ("api.openai.com", "/v1/images/generations"),
    ("api.openai.com", "/v1/audio/transcriptions"),
    ("api.anthropic.com", "/v1/messages"),
    ("api.anthropic.com", "/v1/complete"),
    ("generativelanguage.googleapis.com", "/v1beta/models/g:streamGenerateContent?alt=sse"),
    ("generativelanguage.googleapis.com", "/v1beta/models/g:embedContent?key=%FF"),
    ("example.com", "//[?key="),
]
FIELDS = ["model", "messages", "content", "choices", "delta", "message", "usage", "type", "error"]
FIELDS += ["candidates", "parts", "text", "usageMetadata", "prompt_tokens", "input", "output", "id"]
hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
    ),
    max_leaves=20,
)
bodies = st.binary(max_size=200) | hostile.map(lambda value: json.dumps(value).encode())
streams = st.lists(hostile).map(lambda values: b"".join(events(*values)))


@given(
    place=st.sampled_from(PATHS),
    request_body=bodies,
    chunks=st.lists(bodies | streams, max_size=4),
    status=st.sampled_from([None, 101, 200, 204, 400, 500]),
    encoding=st.sampled_from(["", "gzip", "br", "nonsense"]),
    kind=st.sampled_from(["application/json", "text/event-stream", "multipart/form-data", ""]),
    ending=st.sampled_from(["complete", "client_gone", "upstream_broke", "no_answer"]),
    value=st.text(max_size=10),
)
def test_hostile_exchanges_are_rows_without_a_fault(
    place: tuple[str, str],
    request_body: bytes,
    chunks: list[bytes],
    status: int | None,
    encoding: str,
    kind: str,
    ending: Ending,
    value: str,
) -> None:
    host, path = place
    names = ("x-stainless-retry-count", "helicone-request-id", "authorization", "user-agent")
    exchange = chat(
        *chunks,
        body=request_body,
        status=status,
        ending=ending,
        host=host,
        path=path,
        headers=[(name, value) for name in names],
        response={"content-type": kind, "content-encoding": encoding, "retry-after": value},
    )
    exchange.request_headers = [("content-type", kind), *exchange.request_headers[1:]]
    read(exchange)


DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000


def test_what_is_too_deep_to_be_read_has_a_note() -> None:
    note = "has too many lists and objects inside each other to be read"
    assert f"the response {note}" in read(chat(DEEP)).notes
    assert f"the response {note}" in read(chat(b"data: " + DEEP + b"\n\n")).notes
    assert f"the request {note}" in read(chat(body=DEEP)).notes
    assert not any(note in each for each in read(chat(b"<html>", body=b"<html>")).notes)


def test_what_decodes_to_too_much_has_a_note() -> None:
    bomb = gzip.compress(bytes(LARGEST_DECODED + 1_000_000))
    note = "decodes to more than 64 MB: its end was not read"
    record = read(
        chat(
            bomb,
            body=bomb,
            headers=[("content-encoding", "gzip")],
            response={"content-encoding": "gzip"},
        )
    )
    assert record.notes[:2] == [f"the request {note}", f"the response {note}"]


def test_a_key_that_is_no_text() -> None:
    record = read(whole(headers=[("authorization", "Bearer \udcff\udcfe")]))
    assert record.identity.api_key_fingerprint
