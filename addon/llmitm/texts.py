"""What of a call's bodies is kept as text, and what is told of the rest."""

from __future__ import annotations

import re

from llmitm.calls import Exchange, Finished, Prompt, header
from llmitm.wire import jsontext
from llmitm.wire.encodings import decode

_LONGEST_MEDIA = 65_536
_MEDIA = re.compile(rf'"(?:data:[^"]{{0,100}};base64,)?[A-Za-z0-9+/_-]{{{_LONGEST_MEDIA},}}=*"')
_VECTOR = re.compile(r"\[\s*+(?:-?\d[\d.eE+-]*+\s*+,\s*+){31,}+-?\d[\d.eE+-]*+\s*+\]")


def without_media(text: str) -> str:
    """Return a text without the large media in it."""
    if len(text) <= _LONGEST_MEDIA:
        return text
    return _MEDIA.sub(
        lambda media: f'"[media left out: {len(media.group()) - 2:,} characters]"', text
    )


def request_text(exchange: Exchange, prompt: Prompt) -> str | None:
    """Return a request body as it is to be stored; None where it is no text."""
    if not exchange.request_body:
        return None
    kind = header(exchange.request_headers, "content-type") or ""
    if "multipart/" in kind.lower():
        return jsontext.compact(prompt.document) if prompt.document is not None else None
    return _as_text(
        decode(exchange.request_body, header(exchange.request_headers, "content-encoding"))
    )


def response_text(record: Finished) -> str | None:
    """Return a response body as it is to be stored: text, or the document put together of a stream."""
    exchange = record.exchange
    if exchange.rest is not None:
        return None
    if record.streaming and record.answer.document is not None:
        return jsontext.compact(record.answer.document)
    body = b"".join(exchange.chunks)
    text = _as_text(decode(body, header(exchange.response_headers, "content-encoding")))
    if text is not None and record.endpoint.operation == "embedding":
        return _VECTOR.sub(
            lambda vector: f'"[{vector.group().count(",") + 1} numbers left out]"', text
        )
    return text


def _as_text(body: bytes) -> str | None:
    """Return a body as text; None where it is binary."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or not text else text


def missing(exchange: Exchange) -> int:
    """Return how many bytes of the request were let through unseen."""
    return sum(size for _, size in exchange.request_gaps)


def received(exchange: Exchange) -> int:
    """Return how many bytes a response had."""
    in_file = exchange.rest.tell() if exchange.rest else 0
    return sum(map(len, exchange.chunks)) + in_file + exchange.response_unseen


def truncated(exchange: Exchange) -> list[str]:
    """Return notes on what of the bodies was not kept."""
    notes = []
    if exchange.request_truncated:
        notes.append(
            f"the request was too large to keep: {missing(exchange):,} bytes passed unseen"
        )
    if exchange.response_truncated:
        unseen = exchange.response_unseen
        notes.append(f"the response was too large to keep: {unseen:,} bytes passed unseen")
    if exchange.rest is not None:
        notes.append("the response is too large to be kept in the log")
    if exchange.frames_unseen:
        notes.append(f"{exchange.frames_unseen} frames passed unread, since too much was waiting")
    return notes
