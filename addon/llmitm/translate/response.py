"""A response on its way back to the client: read as the provider writes it, written as the client reads it.

Whole answers and streams are the same events: the whole answer is what the client's own dialect makes of its stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmitm.calls import Endpoint, Headers, Json, header
from llmitm.providers import dialects
from llmitm.providers.fields import mapping
from llmitm.translate import failures
from llmitm.translate.events import Done, Event, Failed, Finished
from llmitm.translate.failures import Failure
from llmitm.translate.sides import Answering, Client, Payload, Provider
from llmitm.wire import jsontext
from llmitm.wire.event_stream import EventStreamDecoder
from llmitm.wire.frames import Frame, FrameDecoder
from llmitm.wire.sse import SseDecoder

_FAILED = 400
_BAD_GATEWAY = 502
_WHITE = b" \t\r\n\xef\xbb\xbf"
_KEPT_HEADERS = ("date", "retry-after", "retry-after-ms", "x-should-retry")
_CUT = Failure("server", "the provider's answer ended before it was complete")
_OURS = Failure("server", "llmitm could not translate the provider's answer")
_UNREADABLE = Failure("server", "the provider's answer is not in its own format")


class ResponseTranslator:
    """Translate one response; never raises. Bytes have to come without any content encoding."""

    def __init__(
        self,
        client: Client,
        provider: Provider,
        status: int,
        headers: Headers,
        answering: Answering,
    ) -> None:
        self.status = status
        """The client's status. An error in a whole answer of status 200 changes it in `flush`."""
        self._client = client
        self._headers = headers
        self._answering = answering
        self._streaming = answering.streaming and status < _FAILED
        self._reader = provider.reader()
        self._writer = client.writer(answering)
        self._assembler = dialects.by_name(client.dialect).assembler(_ENDPOINT)
        self._decoder: FrameDecoder | None = None
        self._is_decided = status >= _FAILED
        self._pieces: list[bytes] = []
        self._failure: Failure | None = None
        self._has_finish = False
        self._is_over = False

    def headers(self) -> Headers:
        """Return the response headers for the client, without length and encoding."""
        kept = [(name, value) for name in _KEPT_HEADERS if (value := header(self._headers, name))]
        if self._answering.id is not None:
            kept.append((self._client.request_id_header, self._answering.id))
        if self._streaming:
            return [
                ("content-type", "text/event-stream; charset=utf-8"),
                ("cache-control", "no-cache"),
                *kept,
            ]
        return [("content-type", "application/json"), *kept]

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the provider's body, return what the client gets for it."""
        try:
            return b"".join(self._feed(data))
        except Exception:  # a fault of ours must not become the proxy's
            return b"".join(self._fail(_OURS))

    def flush(self) -> bytes:
        """End the provider's body, return the rest of the client's."""
        try:
            return b"".join(self._flush())
        except Exception:
            return b"".join(self._fail(_OURS)) + self._whole()

    def _feed(self, data: bytes) -> Iterator[bytes]:
        if self._is_over:
            return
        if self._decoder is None:
            self._pieces.append(data)
            if self._is_decided or not self._decide():
                return
            data = b"".join(self._pieces)
            self._pieces = []
        assert self._decoder is not None
        yield from self._frames(self._decoder.feed(data))

    def _decide(self) -> bool:
        """Tell the framing by content type and first byte; return whether it is a stream."""
        start = b"".join(self._pieces).lstrip(_WHITE)
        if not start:
            return False
        self._is_decided = True
        kind = (header(self._headers, "content-type") or "").lower()
        if "vnd.amazon.eventstream" in kind or start.startswith(b"\0"):
            self._decoder = EventStreamDecoder()
        elif start[:1] not in (b"{", b"[") and ("event-stream" in kind or self._streaming):
            self._decoder = SseDecoder()
        return self._decoder is not None

    def _frames(self, frames: Iterable[Frame]) -> Iterator[bytes]:
        for frame in frames:
            if self._is_over:
                return
            if frame.data.strip() == b"[DONE]":
                yield from self._events(self._reader.done())
                yield from self._end()
                return
            document = jsontext.parse_or_none(frame.data)
            if document is not None:
                yield from self._events(self._reader.add(document, frame.event))

    def _events(self, events: Iterable[Event]) -> Iterator[bytes]:
        for event in events:
            if self._is_over:
                return
            match event:
                case Failed(failure):
                    yield from self._fail(failure)
                case Done():
                    yield from self._end()
                case _:
                    self._has_finish |= isinstance(event, Finished)
                    yield from self._send(self._writer.write(event))

    def _end(self) -> Iterator[bytes]:
        """End the answer, whether the body has ended or not."""
        yield from self._events(self._reader.close())
        if self._is_over:
            return
        if not self._has_finish:
            yield from self._fail(_CUT)
            return
        yield from self._send(self._writer.close())
        self._is_over = True
        if self._streaming:
            yield self._client.ending

    def _flush(self) -> Iterator[bytes]:
        if self._decoder is not None:
            yield from self._frames(self._decoder.flush())
            yield from self._end()
        elif self.status >= _FAILED:
            body = b"".join(self._pieces)
            self._failure = failures.of_response(self.status, self._headers, body)
        else:
            yield from self._read_whole(b"".join(self._pieces))
        yield self._whole()

    def _read_whole(self, body: bytes) -> Iterator[bytes]:
        document = jsontext.parse_or_none(body)
        if not isinstance(document, dict):
            yield from self._fail(_UNREADABLE)
        elif document.get("error") and document.get("type") != "response":
            yield from self._fail(failures.of_event(document))
        else:
            yield from self._events(self._reader.whole(document))
            yield from self._end()

    def _send(self, payloads: Iterable[Payload]) -> Iterator[bytes]:
        for payload in payloads:
            if self._streaming:
                yield _frame(payload)
            elif self._assembler is not None:
                self._assembler.add(payload.document, payload.name)

    def _fail(self, failure: Failure) -> Iterator[bytes]:
        if self._is_over:
            return
        self._is_over = True
        self._failure = failure
        if self._streaming:
            yield from map(_frame, self._writer.write(Failed(failure)))

    def _whole(self) -> bytes:
        """Return the whole answer, or the error in its place; nothing where the client has a stream."""
        if self._streaming:
            return b""
        if self._failure is not None:
            if self.status < _FAILED:
                self.status = _BAD_GATEWAY
            return jsontext.dump(self._client.error(self._failure))
        document: Json = None if self._assembler is None else self._assembler.document()
        return jsontext.dump(mapping(document))


def _frame(payload: Payload) -> bytes:
    data = b"data: " + jsontext.dump(payload.document) + b"\n\n"
    return data if payload.name is None else b"event: " + payload.name.encode() + b"\n" + data


_ENDPOINT = Endpoint("", "chat", None)
