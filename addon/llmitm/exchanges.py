"""Recorded exchanges in files: JSON lines, one exchange a line, which are read and written, or HAR as browsers and
proxies export it.

What cannot be read is given back as a fault with its place; the rest of the file is read all the same.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain
from math import isfinite
from typing import NamedTuple
from urllib.parse import urlsplit

from llmitm.calls import Exchange, Headers, Json
from llmitm.wire import jsontext

_SCHEMES = ("https", "http")
_LONGEST_VALUE_SHOWN = 40
_BEFORE_FIRST_BYTE = ("blocked", "dns", "connect", "send", "wait")
"""HAR's timings; `ssl` is part of `connect`. http://www.softwareishard.com/blog/har-12-spec/ (read 2026-11-24)"""


class Fault(NamedTuple):
    """Something that is no exchange."""

    place: str
    """The file, with the line or the entry."""
    reason: str


def read(lines: Iterable[bytes], name: str, now: float) -> Iterator[Exchange | Fault]:
    """Return the exchanges of a file called `name`, in order; `now` is the time of those that tell none."""
    lines = iter(lines)
    first = next(lines, b"")
    document = jsontext.parse_or_none(first)
    if not first.strip() or (isinstance(document, dict) and "log" not in document):
        yield from _read_lines(chain([first], lines), name, now)
        return
    # HAR is one document, mostly over many lines; else it is JSON lines of which the first is broken.
    kept = [first, *lines]
    entries = _entries(jsontext.parse_or_none(b"".join(kept)))
    if entries is None:
        yield from _read_lines(kept, name, now)
        return
    for number, entry in enumerate(entries, 1):
        yield _read_one(entry, f"{name}: entry {number}", now, _from_har)


def to_line(exchange: Exchange) -> str:
    """Return an exchange as a line of a file, without its end; `read` gives the same exchange back.

    What the proxy alone knows of it (who called, what was tried before) is not in it.
    """
    default_port = 443 if exchange.scheme == "https" else 80
    document: dict[str, Json] = {
        "id": exchange.id,
        "timestamp": datetime.fromtimestamp(exchange.started_at, UTC).isoformat(),
        "method": exchange.method,
        "scheme": exchange.scheme,
        "host": exchange.host
        if exchange.port == default_port
        else f"{_bracketed(exchange.host)}:{exchange.port}",
        "path": exchange.path,
        "request_headers": list(map(list, exchange.request_headers)),
        **_written("request_body", exchange.request_body),
        "status": exchange.status,
        "response_headers": list(map(list, exchange.response_headers)),
        **_written("response_body", b"".join(exchange.chunks)),
        "response_chunks": [
            [len(chunk), round(time, 3)]
            for chunk, time in zip(exchange.chunks, exchange.chunk_times, strict=True)
        ],
        "latency_ms": exchange.latency_ms,
    }
    if exchange.usage_injected:
        document["usage_injected"] = True
    return jsontext.compact(document)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _written(key: str, body: bytes) -> dict[str, Json]:
    try:
        return {key: body.decode()}
    except UnicodeDecodeError:
        return {f"{key}_b64": b64encode(body).decode()}


def _entries(document: Json) -> Sequence[Json] | None:
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    return entries if isinstance(entries, list) else None


def _read_lines(lines: Iterable[bytes], name: str, now: float) -> Iterator[Exchange | Fault]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            document = jsontext.parse(line)
        except ValueError as error:
            yield Fault(place, f"is no JSON: {error}")
        else:
            yield _read_one(document, place, now, _from_line)


def _read_one(
    document: Json, place: str, now: float, build: Callable[[_Fields, str, float], Exchange]
) -> Exchange | Fault:
    try:
        return build(_Fields(document), place, now)
    except ValueError as error:
        return Fault(place, str(error))


def _from_line(fields: _Fields, place: str, now: float) -> Exchange:
    host, port = _host_and_port(fields.text("host"), fields)
    scheme = fields.text("scheme", "http" if port not in (None, 443) else "https")
    if scheme not in _SCHEMES:
        raise fields.wrong("scheme", "https or http")
    status = fields.status("status")
    chunks = fields.chunks("response_chunks", fields.body("response_body"))
    return Exchange(
        id=fields.text("id", place),
        started_at=fields.time("timestamp", now),
        method=fields.text("method").upper(),
        scheme=scheme,
        host=host,
        port=port or (443 if scheme == "https" else 80),
        path=fields.text("path"),
        request_headers=fields.headers("request_headers"),
        request_body=fields.body("request_body"),
        status=status,
        response_headers=fields.headers("response_headers"),
        chunks=[chunk for chunk, _ in chunks],
        chunk_times=[time for _, time in chunks if time is not None],
        first_byte_ms=chunks[0][1] if chunks else None,
        latency_ms=fields.sum(("latency_ms",)),
        usage_injected=fields.flag("usage_injected"),
        ending="complete" if status is not None else "no_answer",
    )


def _host_and_port(host: str, fields: _Fields) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        raise fields.wrong("host", "a name, or name:port") from None
    if not parts.hostname or parts.path or parts.query:
        raise fields.wrong("host", "a name, or name:port")
    return parts.hostname, port


def _from_har(fields: _Fields, place: str, now: float) -> Exchange:
    """Build an exchange of a HAR entry, whose bodies are no longer in their content encoding."""
    request, response = fields.inner("request"), fields.inner("response")
    try:
        url = urlsplit(request.text("url"))
        port = url.port
    except ValueError:
        raise request.wrong("url", "an address") from None
    if url.scheme not in (*_SCHEMES, "wss", "ws") or not url.hostname:
        raise request.wrong("url", "an address with https or http")
    scheme = "https" if url.scheme in ("https", "wss") else "http"
    body, status = response.inner("content").har_body(), response.status("status")
    first_byte, latency = fields.inner("timings").sum(_BEFORE_FIRST_BYTE), fields.sum(("time",))
    return Exchange(
        id=fields.text("_id", place),
        started_at=fields.time("startedDateTime", now),
        method=request.text("method").upper(),
        scheme=scheme,
        host=url.hostname,
        port=port or (443 if scheme == "https" else 80),
        path=(url.path or "/") + (f"?{url.query}" if url.query else ""),
        request_headers=_without_encoding(request.headers("headers")),
        request_body=request.inner("postData").har_body(),
        status=status,
        response_headers=_without_encoding(response.headers("headers")),
        chunks=[body] if body else [],
        chunk_times=[latency] if body and latency is not None else [],
        first_byte_ms=first_byte,
        latency_ms=latency,
        ending="complete" if status is not None else "no_answer",
    )


def _without_encoding(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != "content-encoding"]


class _Fields:
    """The fields of a JSON object. What is wrong raises `ValueError` with the key, the value and what is allowed."""

    def __init__(self, document: Json, prefix: str = "") -> None:
        if not isinstance(document, dict):
            where = prefix.removesuffix(".") or "it"
            raise ValueError(f"{where} is {_shown(document)}: allowed is an object")
        self._document: dict[str, Json] = document
        self._prefix = prefix

    def wrong(self, key: str, allowed: str) -> ValueError:
        """Return the error for a key."""
        name = self._prefix + key
        if self._document.get(key) is None:
            return ValueError(f"{name} is missing: allowed is {allowed}")
        return ValueError(f"{name} = {_shown(self._document[key])}: allowed is {allowed}")

    def inner(self, key: str) -> _Fields:
        """Return an object inside; one that is absent has no fields."""
        value = self._document.get(key)
        return _Fields({} if value is None else value, f"{self._prefix}{key}.")

    def text(self, key: str, otherwise: str | None = None) -> str:
        """Return text, which must be there and not be empty unless there is something else to take."""
        value = self._document.get(key)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "text")
        return value

    def status(self, key: str) -> int | None:
        """Return an HTTP status; None where there was no answer, for which HAR writes 0."""
        value = self._document.get(key)
        if value is None or value == 0:
            return None
        if not isinstance(value, int) or not 100 <= value <= 599:
            raise self.wrong(key, "an HTTP status")
        return value

    def sum(self, keys: Iterable[str]) -> float | None:
        """Return the sum of some times in milliseconds; HAR writes -1 where one does not apply."""
        values = [self._document.get(key) for key in keys]
        known = [
            float(value)
            for value in values
            if isinstance(value, int | float) and isfinite(value) and value >= 0
        ]
        return sum(known) if known else None

    def time(self, key: str, otherwise: float) -> float:
        """Return ISO 8601 as seconds since the epoch; without an offset it is UTC."""
        value = self._document.get(key)
        if value is None:
            return otherwise
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise self.wrong(key, "a time in ISO 8601, such as 2026-11-24T12:00:00Z") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def headers(self, key: str) -> Headers:
        """Return headers out of pairs, or HAR's objects; HTTP/2's pseudo headers are left out."""
        value = self._document.get(key)
        pairs = [_pair(item) for item in value] if isinstance(value, list) else [None]
        if value is not None and None in pairs:
            raise self.wrong(key, "a list of [name, value]")
        return [pair for pair in pairs if pair is not None and not pair[0].startswith(":")]

    def body(self, key: str) -> bytes:
        """Return a body: text, or base64 under the key with `_b64`."""
        if self._document.get(f"{key}_b64") is not None:
            return self._base64(f"{key}_b64")
        return self._bytes(key)

    def flag(self, key: str) -> bool:
        """Return true or false; false where it is absent."""
        value = self._document.get(key)
        if not isinstance(value, bool | None):
            raise self.wrong(key, "true or false")
        return bool(value)

    def chunks(self, key: str, body: bytes) -> list[tuple[bytes, float | None]]:
        """Return a body in the chunks that it came in, with their times; as one without a time where they are not told."""
        value = self._document.get(key)
        if value is None:
            return [(body, None)] if body else []
        if not isinstance(value, list) or not all(map(_is_chunk, value)):
            raise self.wrong(key, "a list of [bytes, milliseconds]")
        if sum(length for length, _ in value) != len(body):
            raise self.wrong(key, f"lengths that add up to the {len(body)} bytes of the body")
        ends = list(accumulate(length for length, _ in value))
        return [
            (body[end - length : end], float(time))
            for end, (length, time) in zip(ends, value, strict=True)
        ]

    def har_body(self) -> bytes:
        """Return the body of HAR's `postData` or `content`."""
        return (
            self._base64("text")
            if self._document.get("encoding") == "base64"
            else self._bytes("text")
        )

    def _bytes(self, key: str) -> bytes:
        value = self._document.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "text")
        return (value or "").encode("utf-8", "surrogatepass")

    def _base64(self, key: str) -> bytes:
        value = self._document.get(key)
        try:
            return b64decode(value or "", validate=True)
        except (TypeError, ValueError):
            raise self.wrong(key, "base64") from None


def _pair(value: Json) -> tuple[str, str] | None:
    if isinstance(value, dict):
        value = [value.get("name"), value.get("value")]
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value):
        return value[0], value[1]
    return None


def _is_chunk(value: Json) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], int)
        and value[0] > 0
        and isinstance(value[1], int | float)
        and isfinite(value[1])
    )


def _shown(value: Json) -> str:
    text = jsontext.compact(value)
    return text if len(text) <= _LONGEST_VALUE_SHOWN else text[:_LONGEST_VALUE_SHOWN] + "…"
