"""From a request to its reply: dialect, key, behaviour, handler, headers, content-encoding, in this order."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

import brotli
import zstandard

from llmitm.demo import anthropic, bedrock, behaviour, cohere, gemini, openai
from llmitm.demo.behaviour import Behaviour
from llmitm.demo.desk import Desk, Dialect
from llmitm.demo.headers import complete
from llmitm.demo.message import ApiError, Reply, Request

DIALECTS: tuple[Dialect, ...] = (
    bedrock.DIALECT,
    cohere.DIALECT,
    anthropic.DIALECT,
    gemini.DIALECT,
    openai.DIALECT,
)
"""In the order in which they are asked; the last speaks everything."""

_MESSAGES = {
    429: "Rate limit reached for requests. Please try again later.",
    500: "The server had an error while processing your request.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


@dataclass(slots=True)
class Router:
    """Answers requests; `number` counts them."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    number: int = 0
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(answer=lambda request: self._handle(request, _dialect(request)))

    def answer(self, request: Request) -> Reply:
        """Return the complete reply, errors in the shape of the request's dialect."""
        self.number += 1
        dialect = _dialect(request)
        reply = self._handle(request, dialect)
        complete(request, reply, dialect.name, self.number, self.clock())
        _encode(reply, request.header("accept-encoding") or "")
        return reply

    def _handle(self, request: Request, dialect: Dialect) -> Reply:
        try:
            wanted = behaviour.parse(request.model(), request.header(behaviour.HEADER))
        except ValueError as error:
            return dialect.error(ApiError(404, str(error)), request)
        wanted = self._this_time(request, wanted)
        request = replace(request, behaviour=wanted)
        try:
            reply = self._served(request, dialect)
        except ApiError as error:
            reply = dialect.error(error, request)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            # The handlers read a request as documented; one that is not cannot be answered.
            message = f"The request does not have the documented shape: {error!r}"
            reply = dialect.error(ApiError(400, message), request)
        reply.behaviour = wanted
        return reply

    def _served(self, request: Request, dialect: Dialect) -> Reply:
        _check_key(request)
        if (status := request.behaviour.error) is not None:
            raise ApiError(status, _MESSAGES.get(status, "This request was to fail."))
        for route in dialect.routes:
            match = route.pattern.fullmatch(request.path)
            if match and route.method == request.method:
                break
        else:
            raise ApiError(404, f"Invalid URL ({request.method} {request.path})", "unknown_url")
        reply = route.handle(request, self.desk, match)
        broken = request.behaviour.stream_error
        if broken is not None and reply.streamed:
            reply.parts = [*reply.parts[:broken], *dialect.stream_error(request)]
            reply.tokens = reply.text = reply.finish = None
        return reply

    def _this_time(self, request: Request, wanted: Behaviour) -> Behaviour:
        """Return the behaviour without its faults, once an equal request has met them often enough."""
        self.desk.seen[request.digest] += 1
        if wanted.times is None or self.desk.seen[request.digest] <= wanted.times:
            return wanted
        return replace(wanted, error=None, drop=False, cut=None, stream_error=None)


def _dialect(request: Request) -> Dialect:
    return next(dialect for dialect in DIALECTS if dialect.speaks(request))


def _check_key(request: Request) -> None:
    names = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
    if not any(request.header(name) for name in names) and "key" not in request.query:
        raise ApiError(401, "You didn't provide an API key.")


class _Encoder(Protocol):
    def part(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inner = zlib.compressobj(wbits=window)

    def part(self, data: bytes) -> bytes:
        return self._inner.compress(data) + self._inner.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._inner.flush()


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Compressor(quality=4)

    def part(self, data: bytes) -> bytes:
        return bytes(self._inner.process(data) + self._inner.flush())

    def end(self) -> bytes:
        return bytes(self._inner.finish())


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstandard.ZstdCompressor().compressobj()

    def part(self, data: bytes) -> bytes:
        return self._inner.compress(data) + self._inner.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._inner.flush()


ENCODERS: dict[str, Callable[[], _Encoder]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "br": _Brotli,
    "zstd": _Zstd,
}


def _encode(reply: Reply, accepted: str) -> None:
    """Put the body in the content-encoding that was asked for, each part readable as it arrives."""
    name = reply.behaviour.encoding
    if name is None or name not in (each.split(";")[0].strip() for each in accepted.split(",")):
        return
    encoder = ENCODERS[name]()
    reply.parts = [encoder.part(part) for part in reply.parts]
    reply.parts.append(encoder.end())
    reply.headers += [("content-encoding", name), ("vary", "Accept-Encoding")]
