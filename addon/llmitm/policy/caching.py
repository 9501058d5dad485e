"""What may be kept of an answer and be given again, and with which headers."""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Answer, Endpoint, Exchange, Headers, header
from llmitm.policy.control import control_headers
from llmitm.providers.base import Head, StreamReader
from llmitm.providers.dialects import by_name
from llmitm.providers.ratelimits import is_limit
from llmitm.wire.encodings import ContentDecoder

_NO_ANSWER_YET, _A_PART = 202, 206
_OF_THE_CONNECTION = frozenset(
    {
        "alt-svc",
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OF_THE_MOMENT = frozenset({"age", "date", "retry-after", "retry-after-ms", "set-cookie"})
_SPOKEN = ("chat", "completion")
"""Operations whose streams say why they ended."""


def replayed(headers: Headers) -> list[tuple[str, str]]:
    """Return the headers that an answer has when it is given again."""
    ours = frozenset(control_headers(name for name, _ in headers))
    return [
        (name, value)
        for name, value in headers
        if name not in ours
        and name.lower() not in _OF_THE_CONNECTION | _OF_THE_MOMENT
        and not is_limit(name)
    ]


def is_whole(exchange: Exchange) -> bool:
    """Tell whether an answer is there from its first to its last byte."""
    return (
        exchange.status is not None
        and exchange.ending == "complete"
        and not exchange.response_truncated
        and exchange.rest is None
        and not exchange.response_unseen
    )


def is_given(exchange: Exchange) -> bool:
    """Tell whether a call was answered as it asked, as far as that shows without reading."""
    status = exchange.status or 0
    return is_whole(exchange) and 200 <= status < 300 and status not in (_NO_ANSWER_YET, _A_PART)


def decoded(exchange: Exchange) -> list[tuple[bytes, float]] | None:
    """Return the chunks of an answer out of its content encoding, with their times; None where that cannot be."""
    decoder = ContentDecoder(header(exchange.response_headers, "content-encoding"))
    chunks = [
        (plain, time)
        for chunk, time in zip(exchange.chunks, exchange.chunk_times, strict=True)
        if (plain := decoder.feed(chunk))
    ]
    return None if decoder.broken or decoder.is_full else chunks


def read_to_save(exchange: Exchange, endpoint: Endpoint) -> Answer | None:
    """Read an answer; None where it is not one to be given again: an error, a part, a job that runs.

    Takes as long as reading does. The exchange is one that `is_given`.
    """
    if endpoint.dialect is None:
        return None
    dialect = by_name(endpoint.dialect)
    prompt = dialect.read_request(exchange.request_body, exchange.request_headers, endpoint)
    head = Head(exchange.status or 0, exchange.response_headers, endpoint, prompt)
    reader = StreamReader(dialect, head)
    for chunk in exchange.chunks:
        reader.feed(chunk)
    answer = reader.close()
    return None if any(_faults(exchange, endpoint, reader, answer)) else answer


def _faults(
    exchange: Exchange, endpoint: Endpoint, reader: StreamReader, answer: Answer
) -> Iterator[bool]:
    """Yield whether an answer has one fault and the next."""
    kind = (header(exchange.response_headers, "content-type") or "").lower()
    yield reader.is_cut or reader.has_unread
    yield answer.error_type is not None or answer.error_message is not None
    yield answer.job in ("running", "part")
    # A connection that was closed early may look like the end of a stream.
    yield reader.streamed and endpoint.operation in _SPOKEN and answer.finish_reason is None
    yield "json" in kind and answer.document is None
