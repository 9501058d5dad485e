"""What every dialect has in common: the five verbs, and the reader that feeds any framing to any dialect.

A dialect is one module: it says which paths it owns (`routes`), reads a request document (`prompt`), reads
a response document (`answer`), puts a stream together into such a document (`assembler`), and phrases a
refusal (`error`). A stream is read by the same `answer` as an unstreamed response, so the two cannot differ.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote

from llmitm.calls import Answer, Endpoint, Headers, Json, Operation, Prompt, header
from llmitm.providers.sockets import CONTENT, SocketReader
from llmitm.wire import jsontext, multipart
from llmitm.wire.encodings import ContentDecoder, decode
from llmitm.wire.event_stream import EventStreamDecoder
from llmitm.wire.frames import Frame, FrameDecoder
from llmitm.wire.lines import TOO_LONG, ArrayDecoder, LineDecoder
from llmitm.wire.sse import SseDecoder

_FAILED = 400
_WHITE = b" \t\r\n\xef\xbb\xbf"
_SSE_START = re.compile(rb"(?:data|event|id|retry)?:")
_LINES = re.compile(rb"\}[ \t\r]*\n[ \t\r]*\{")
_SSE_BEGINS = (b"d", b"e", b"i", b"r")
_AT_A_TIME = 256 * 1024
_LONGEST_FIELD = len(b"retry:")
_LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one result of a batch: pictures are in it as text."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path that a dialect owns."""

    pattern: re.Pattern[str]
    """Searched in the path without its query; the groups `model` and `resource` are still percent-encoded."""
    operation: Operation
    methods: tuple[str, ...] = ("POST",)
    counted: bool = True
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What an `answer` may look at beside the document."""

    status: int
    headers: Headers
    endpoint: Endpoint
    prompt: Prompt


class Assembler(ABC):
    """Put the events of a stream together into the document that the unstreamed call would have given."""

    plain: ClassVar[bool] = False
    """True where the data of an event is text, not JSON."""

    @abstractmethod
    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return True when it carried content (text, thinking, a tool call, media)."""

    @abstractmethod
    def document(self) -> Json:
        """Return the document as far as it came; None where nothing did.

        An error event is kept in it under `error`, in the form the provider's error bodies have.
        """


class Results(ABC):
    """Read a body of JSON lines that is no stream, line by line, whatever its content type says."""

    @abstractmethod
    def line(self, data: bytes) -> None:
        """Take one line."""

    @abstractmethod
    def unread(self) -> None:
        """Take note of something that could not be read."""

    @abstractmethod
    def answer(self, head: Head) -> Answer | None:
        """Return what all lines say together; None where they are something else."""


class LastMessage(Assembler):
    """Keep the last message of a socket's turn, which is its answer; those before it tell of content."""

    def __init__(self) -> None:
        self._last: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one message; return whether it told of content."""
        self._last = payload
        return bool(payload == CONTENT)

    def document(self) -> Json:
        """Return the last message."""
        return None if self._last == CONTENT else self._last


class Dialect(ABC):
    """One wire format, read and spoken."""

    name: ClassVar[str]
    routes: ClassVar[tuple[Route, ...]]

    @abstractmethod
    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request. `document` is the parsed JSON body or form; None where it is neither."""

    @abstractmethod
    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response. `document` is None where the body is not JSON (speech, a proxy's HTML)."""

    def assembler(self, endpoint: Endpoint) -> Assembler | None:
        """Return a fresh assembler; None where the operation has no streams."""
        return None

    def results(self, endpoint: Endpoint) -> Results | None:
        """Return a fresh reader of lines; None where the operation has no such body."""
        return None

    def socket(self, endpoint: Endpoint, path: str) -> SocketReader | None:
        """Return a fresh reader of a socket's frames; None where its turns cannot be told apart.

        `path` has the query string.
        """
        return None

    @abstractmethod
    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return a refusal as this dialect's own error body, so that its SDK raises its own exception."""

    def endpoint(self, provider: str, method: str, path: str) -> Endpoint | None:
        """Return what a path means; None where this dialect does not own it."""
        bare = path.partition("?")[0]
        for route in self.routes:
            if method in route.methods and (match := route.pattern.search(bare)):
                return Endpoint(
                    provider,
                    route.operation,
                    self.name,
                    route_model(match),
                    route.counted,
                    route.streams,
                    _group(match, "resource"),
                )
        return None

    def read_request(
        self, body: bytes, headers: Headers, endpoint: Endpoint, gaps: multipart.Gaps = ()
    ) -> Prompt:
        """Read a request body as it was on the wire, except for what is missing in it."""
        return self.prompt(request_document(body, headers, gaps), endpoint)

    def read_response(self, body: bytes, head: Head) -> Answer:
        """Read a whole response body as it was on the wire, streamed or not."""
        reader = StreamReader(self, head)
        reader.feed(body)
        return reader.close()


def route_model(match: re.Match[str]) -> str | None:
    """Return the percent-decoded group `model` of a route, if it has one."""
    return _group(match, "model")


def _group(match: re.Match[str], name: str) -> str | None:
    value = match.groupdict().get(name)
    return unquote(value) if value else None


def request_document(body: bytes, headers: Headers, gaps: multipart.Gaps = ()) -> Json:
    """Return a request body as a document: JSON, or a form; None where it is neither.

    JSON with a gap is what stands before it.
    """
    content_type = header(headers, "content-type") or ""
    if "multipart/form-data" in content_type.lower():
        return multipart.parse(body, content_type, gaps)
    if not body:
        return None
    if gaps:
        body = body[: gaps[0][0]]
    text = decode(body, header(headers, "content-encoding"))
    return jsontext.parse_start(text) if gaps else jsontext.parse_or_none(text)


class StreamReader:
    """Read a response in pieces of any size; `close` gives what `Dialect.read_response` gives."""

    def __init__(self, dialect: Dialect, head: Head) -> None:
        self._dialect = dialect
        self._head = head
        self._content = ContentDecoder(header(head.headers, "content-encoding"))
        self._results = dialect.results(head.endpoint) if head.status < _FAILED else None
        self._lines = LineDecoder(_LONGEST_LINE)
        self._assembler = dialect.assembler(head.endpoint)
        self._decided = False
        self._decoder: FrameDecoder | None = None
        self._pieces: list[bytes] = []
        self._start = b""
        self.is_cut = False
        """Set once more came out of the content encoding than is looked at."""
        self.has_unread = False
        """Set once the body, or an event of it, was too deep to be read."""
        self.has_content = False
        """Set once a piece of a stream carried content."""

    @property
    def streamed(self) -> bool:
        """True where the response turned out to be a stream."""
        return self._decoder is not None

    @property
    def error(self) -> Json:
        """What a stream has told of an error so far; None where nothing, or where it is no stream."""
        document = self.document
        return document.get("error") if isinstance(document, dict) else None

    @property
    def document(self) -> Json:
        """The stream as far as it has come, as one document; None where it is no stream."""
        if self._decoder is None or self._assembler is None:
            return None
        return self._assembler.document()

    def feed(self, data: bytes) -> bool:
        """Take a piece of the body as it was on the wire; return whether content has been seen so far."""
        data = self._content.feed(data)
        self.is_cut = self._content.is_full
        if self._results is not None:
            self._add_lines(self._lines.feed(data))
        elif self._decoder is not None:
            self._decode(self._decoder, data)
        elif data:
            self._pieces.append(data)
            if not self._decided:
                self._decide(data)
        return self.has_content

    def close(self) -> Answer:
        """End the body and read it."""
        if self._results is not None:
            self._add_lines(self._lines.flush())
            if self._content.broken:
                self._results.unread()
            if (answer := self._results.answer(self._head)) is not None:
                return answer
        return self._dialect.answer(self._document(), self._head)

    def _decide(self, data: bytes) -> None:
        """Tell the framing once enough is there after the white space that a body may begin with."""
        # Kept alive by white space, a body may be a long time coming.
        start = self._start = (self._start + data).lstrip(_WHITE)
        if not start or (start[:1] in _SSE_BEGINS and len(start) < _LONGEST_FIELD):
            return
        self._decided = True
        if self._assembler is None:
            return
        kind = (header(self._head.headers, "content-type") or "").lower()
        expected = self._head.prompt.streaming and self._head.status < _FAILED
        decoder = _decoder(kind, start, expected)
        if decoder is not None:
            self._decoder, pieces = decoder, b"".join(self._pieces)
            self._pieces = []
            self._decode(decoder, pieces)

    def _decode(self, decoder: FrameDecoder, data: bytes) -> None:
        """Feed a decoder so much at a time that its frames are no weight: millions of them have fit into a body."""
        for at in range(0, len(data), _AT_A_TIME):
            self._add(decoder.feed(data[at : at + _AT_A_TIME]))

    def _add(self, frames: Sequence[Frame]) -> None:
        assert self._assembler is not None
        for frame in frames:
            if frame.data == b"[DONE]":
                continue
            if self._assembler.plain:
                payload: Json = frame.data.decode("utf-8", "replace")
            else:
                payload = self._parsed(frame.data)
            if payload is not None and self._assembler.add(payload, frame.event):
                self.has_content = True

    def _parsed(self, text: bytes) -> Json:
        try:
            return jsontext.parse(text)
        except jsontext.TooDeep:
            self.has_unread = True
        except ValueError:
            pass
        return None

    def _add_lines(self, frames: Sequence[Frame]) -> None:
        assert self._results is not None
        for frame in frames:
            if frame.event == TOO_LONG:
                self._results.unread()
            else:
                self._results.line(frame.data)

    def _document(self) -> Json:
        if self._decoder is None or self._assembler is None:
            body = b"".join(self._pieces)
            document = self._parsed(body)
            if document is not None or self._assembler is None or not _LINES.search(body):
                return document
            self._decoder = LineDecoder()  # lines that no content type gave away
            self._decode(self._decoder, body)
        self._add(self._decoder.flush())
        return self._assembler.document()


def _decoder(kind: str, start: bytes, expected: bool) -> FrameDecoder | None:
    """Choose by content type and first bytes together, for either alone is wrong at times.

    Gemini labels errors of streaming calls `text/event-stream` though they are plain JSON, and streams a JSON
    array as `application/json`; OpenAI once labelled streams so, and some compatible servers label none.
    """
    if "ndjson" in kind or "stream+json" in kind or "jsonl" in kind:
        return LineDecoder()
    # A message begins with its length, which is far below what the first byte counts; no text begins so.
    if "vnd.amazon.eventstream" in kind or (expected and start.startswith(b"\0")):
        return EventStreamDecoder()
    if start.startswith(b"{"):
        return None
    if start.startswith(b"["):
        return ArrayDecoder() if expected else None
    if "event-stream" in kind or _SSE_START.match(start):
        return SseDecoder()
    return None
