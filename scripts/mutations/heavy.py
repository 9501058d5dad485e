"""Exchanges with the bodies of `large`, each made when it is read, for all together are gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from llmitm.calls import Exchange, Json
from mutations import large

_PACKET = 1_400
_REQUEST = (
    b'{"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
)

type _Make = Callable[[], Exchange]
type _Body = Callable[[], bytes]


@dataclass(frozen=True)
class _Place:
    """Where a call goes, and what its answer says it is."""

    path: str
    kind: str = "application/json"
    host: str = "api.openai.com"


_CHAT = _Place("/v1/chat/completions")
_EVENTS = _Place("/v1/chat/completions", "text/event-stream")
_PLACES = {
    "json": _CHAT,
    "events": _EVENTS,
    "lines": _Place("/api/chat", "application/x-ndjson", "ollama.com"),
    "aws": _Place(
        "/model/anthropic.claude-3-haiku-20240307-v1:0/converse-stream",
        "application/vnd.amazon.eventstream",
        "bedrock-runtime.us-east-1.amazonaws.com",
    ),
    "array": _Place(
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        host="generativelanguage.googleapis.com",
    ),
}
_STREAMS: dict[str, tuple[_Place, Json]] = {
    "chat": (_EVENTS, {"choices": [{"index": 0, "delta": {"content": "word "}}]}),
    "calls": (
        _EVENTS,
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}}]},
    ),
    "no content": (_EVENTS, {"x": 1}),
    "responses": (
        _Place("/v1/responses", "text/event-stream"),
        {"type": "response.output_text.delta", "output_index": 0, "delta": "word "},
    ),
    "messages": (
        _Place("/v1/messages", "text/event-stream", "api.anthropic.com"),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a "}},
    ),
    "lines": (
        _PLACES["lines"],
        {"message": {"role": "assistant", "content": "word "}, "done": False},
    ),
    "gemini": (
        _Place(_PLACES["array"].path, "text/event-stream", _PLACES["array"].host),
        {"candidates": [{"content": {"parts": [{"text": "word "}]}}]},
    ),
}


def _packets(body: bytes) -> list[bytes]:
    return [body[at : at + _PACKET] for at in range(0, len(body), _PACKET)]


def _call(
    place: _Place,
    answer: list[bytes],
    asked: bytes = _REQUEST,
    *,
    encoding: str = "identity",
    kind: str = "application/json",
) -> Exchange:
    return Exchange(
        id="",
        started_at=1_790_000_000.0,
        method="POST",
        scheme="https",
        host=place.host,
        port=443,
        path=place.path,
        request_headers=[("content-type", kind), ("content-encoding", encoding)],
        request_body=asked,
        status=200,
        response_headers=[("content-type", place.kind), ("content-encoding", encoding)],
        chunks=answer,
        chunk_times=[float(number) for number in range(len(answer))],
    )


def _garbage(kind: str, make: _Body) -> Exchange:
    return _call(_PLACES[kind], _packets(make()))


def _asked(make: _Body) -> Exchange:
    return _call(_CHAT, [b"{}"], make())


def _answered(path: str, make: _Body) -> Exchange:
    return _call(_Place(path), _packets(make()))


def _form(make: _Body) -> Exchange:
    place = _Place("/v1/audio/transcriptions")
    return _call(place, [b"{}"], make(), kind="multipart/form-data; boundary=x")


def _stream(name: str) -> Exchange:
    place, payload = _STREAMS[name]
    lines = place is _PLACES["lines"]
    return _call(place, _packets(large.stream(payload, b"" if lines else b"data: ")))


def _bomb(encoding: str, unit: bytes) -> Exchange:
    return _call(_EVENTS, [large.bomb(encoding, unit)], encoding=encoding)


def _asked_bomb(encoding: str) -> Exchange:
    return _call(_CHAT, [], large.bomb(encoding, b" "), encoding=encoding)


def _inner_bomb() -> Exchange:
    return _call(_EVENTS, [zlib.compress(large.bomb("gzip", b"x"))], encoding="gzip, deflate")


def _members(encoding: str) -> Exchange:
    body = large.members(encoding)
    return _call(_CHAT, [body], body, encoding=encoding)


def _all() -> Iterator[tuple[str, _Make]]:
    for name, make in large.GARBAGE.items():
        yield f"garbage, {name}, asked", partial(_asked, make)
        for kind in _PLACES:
            yield f"garbage, {name}, {kind}", partial(_garbage, kind, make)
    yield "white bytes", lambda: _call(_CHAT, [b" "] * 1_000_000)
    yield "single bytes", lambda: _call(_EVENTS, [b"x"] * 1_000_000)
    for name in _STREAMS:
        yield f"stream, {name}", partial(_stream, name)
    for encoding in large.BOMBS:
        yield f"bomb, {encoding}, zeros", partial(_bomb, encoding, b"\0")
        yield f"bomb, {encoding}, events", partial(_bomb, encoding, b"data: {}\n\n")
        yield f"bomb, {encoding}, asked", partial(_asked_bomb, encoding)
        yield f"members, {encoding}", partial(_members, encoding)
    yield "bomb in a bomb", _inner_bomb
    for name, make in large.REQUESTS.items():
        yield f"request, {name}", partial(_asked, make)
    for name, make in large.RESPONSES.items():
        yield f"response, {name}", partial(_answered, _CHAT.path, make)
    for name, make in large.VECTORS.items():
        yield f"vectors, {name}", partial(_answered, "/v1/embeddings", make)
    for name, make in large.FORMS.items():
        yield f"form, {name}", partial(_form, make)


_MAKERS = {f"heavy/{name}": make for name, make in _all()}
NAMES = tuple(_MAKERS)


def made(name: str) -> Exchange:
    """Return an input."""
    return replace(_MAKERS[name](), id=name)
