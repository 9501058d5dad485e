"""Samples of the wire under `tests/wire/<provider>/<case>/`: a request, its response, and what to read out of them.

`request.http` and `response.http` are HTTP/1.1 as sent, head and body. AWS event streams are binary: `events.jsonl` has
their events by name, and the messages are made of them here. `expect.json` names what is compared:
`endpoint`, `prompt`, `answer` and its `batch` only in the fields they list, `usage` and `reported` whole (what is not listed
must be unknown), `streamed` as it is.

A sample of a socket has `handshake.http`, the request that opens it, and `messages.jsonl`: one message a line, `at` so
many seconds from the start, under `sent` or `received`; with `_binary` it was a binary frame, of JSON, or of bytes in
base64. `turns.json` lists the calls that it makes, in the order in which they end, in the form of `expect.json`; also
`outcome` (ok where it is not named), `status`, `latency_ms`, `first_content_ms`, `rate_limits`, and `usd` or `unpriced` by
the price table. The socket is closed 10 seconds after its last message.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from llmitm.calls import Endpoint, Exchange, Headers, Json, Prompt, header
from llmitm.providers import hosts
from llmitm.providers.base import Dialect, Head, StreamReader
from llmitm.providers.dialects import by_name
from llmitm.providers.sockets import SocketFrame
from llmitm.sockets import SocketCalls
from wire import aws

FOLDER = Path(__file__).parent.parent / "wire"
STARTED_AT = 1_790_000_000.0
"""When a sample's socket was opened."""


@dataclass(frozen=True)
class Sample:
    """One case, its request already read."""

    endpoint: Endpoint
    dialect: Dialect
    prompt: Prompt
    head: Head
    body: bytes
    expected: dict[str, Json]

    def reader(self) -> StreamReader:
        """Return a fresh reader of the response."""
        return StreamReader(self.dialect, self.head)


def cases() -> list[Path]:
    """Return the folders of all samples."""
    return sorted(path.parent for path in FOLDER.glob("*/*/expect.json"))


def load(case: Path) -> Sample:
    """Return a sample; its host and path choose the dialect, as in the proxy."""
    start, headers, body = _message(case / "request.http")
    method, path, _ = start.split(" ")
    host = header(headers, "host") or ""
    name, _, port = host.partition(":")
    table = hosts.load()
    entry = table.find(name, int(port or 443))
    assert entry is not None, f"{host} is no LLM host"
    endpoint = table.endpoint(entry, method, path)
    assert endpoint is not None, f"{path} is no call"
    assert endpoint.dialect is not None, f"no dialect owns {path}"
    dialect = by_name(endpoint.dialect)
    prompt = dialect.read_request(body, headers, endpoint)
    status, headers, body = _response(case)
    head = Head(status, headers, endpoint, prompt)
    expected = json.loads((case / "expect.json").read_text("utf-8"))
    return Sample(endpoint, dialect, prompt, head, body, expected)


def exchange(case: Path) -> Exchange:
    """Return a sample as the proxy would have seen it, in one chunk."""
    start, request_headers, request_body = _message(case / "request.http")
    method, path, _ = start.split(" ")
    name, _, port = (header(request_headers, "host") or "").partition(":")
    status, response_headers, body = _response(case)
    return Exchange(
        id=f"{case.parent.name}/{case.name}",
        started_at=0.0,
        method=method,
        scheme="https",
        host=name,
        port=int(port or 443),
        path=path,
        request_headers=request_headers,
        request_body=request_body,
        status=status,
        response_headers=response_headers,
        chunks=[body] if body else [],
    )


def plain(value: object) -> Json:
    """Return a record as JSON would have it: without what is not known, amounts as text."""
    fields = {key: item for key, item in asdict(value).items() if key != "document"}  # type: ignore[call-overload]
    return json.loads(json.dumps(fields, default=str))


def _response(case: Path) -> tuple[int, Headers, bytes]:
    start, headers, body = _message(case / "response.http")
    if (events := case / "events.jsonl").exists():
        body += b"".join(map(_aws_message, events.read_text("utf-8").splitlines()))
    return int(start.split(" ")[1]), headers, body


def _aws_message(line: str) -> bytes:
    ((name, payload),) = json.loads(line).items()
    return (aws.exception if name.endswith("Exception") else aws.event)(name, payload)


def _message(path: Path) -> tuple[str, Headers, bytes]:
    head, separator, body = path.read_bytes().partition(b"\r\n\r\n")
    assert separator, f"{path} has no empty line after its head"
    start, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return start, [(name, value.strip()) for name, _, value in pairs], body


def socket_cases() -> list[Path]:
    """Return the folders of all samples of sockets."""
    return sorted(path.parent for path in FOLDER.glob("*/*/turns.json"))


def socket_calls(case: Path) -> SocketCalls:
    """Return the calls of a sample's socket; its host and path choose the dialect, as in the proxy."""
    start, headers, _ = _message(case / "handshake.http")
    method, path, _ = start.split(" ")
    host = header(headers, "host") or ""
    entry = hosts.load().find(host, 443)
    assert entry is not None, f"{host} is no LLM host"
    endpoint = hosts.load().endpoint(entry, method, path)
    assert endpoint is not None
    assert endpoint.dialect is not None, f"no dialect owns {path}"
    assert endpoint.operation == "realtime"
    reader = by_name(endpoint.dialect).socket(endpoint, path)
    assert reader is not None, f"{endpoint.dialect} reads no sockets"
    handshake = Exchange("socket", STARTED_AT, method, "https", host, 443, path, headers, b"", 101)
    return SocketCalls(handshake, reader)


def socket_frames(case: Path) -> Iterator[SocketFrame]:
    """Return the frames of a sample."""
    for line in (case / "messages.jsonl").read_text("utf-8").splitlines():
        message = json.loads(line)
        at = STARTED_AT + message.pop("at")
        ((name, value),) = message.items()
        binary = name.endswith("_binary")
        if binary and isinstance(value, str):
            data = b64decode(value)
        else:
            data = json.dumps(value, ensure_ascii=False).encode()
        yield SocketFrame(name.startswith("sent"), data, not binary, at)
