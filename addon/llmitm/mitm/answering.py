"""Give an answer that is kept, or refuse a call in the provider's own words; either way nothing goes upstream.

mitmproxy sends an answer of ours as one block. Where it is to be given at its recorded pace, `PACING` of the flow's
metadata holds the pieces that the client gets, each with the seconds to wait before it; the layer that sends plays them.
Together they are the content of the response.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mitmproxy import http

from llmitm.calls import CacheUse, Headers, header
from llmitm.mitm.flights import PACING, Flight
from llmitm.mitm.tee import OVERFLOW, RequestTee
from llmitm.policy.bodies import LONGEST_HELD
from llmitm.policy.caching import replayed
from llmitm.policy.usage_chunk import UsageRemover

NO_ANSWER = 504
"""The status of a call that has no answer here."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to give."""

    status: int
    headers: Headers
    """As they came."""
    chunks: Sequence[bytes]
    """Out of their content encoding."""
    times: Sequence[float]
    """Milliseconds from the start of the call that it was the answer of."""
    latency_ms: float
    usage_injected: bool


def give(
    flow: http.HTTPFlow,
    flight: Flight,
    answer: Given,
    use: CacheUse,
    pace: Literal["at_once", "recorded"] = "at_once",
) -> None:
    """Answer a call with an answer that is kept."""
    pieces = _seen_by_client(answer)
    told = [
        *replayed(answer.headers),
        ("Helicone-Cache", "HIT"),
        ("Helicone-Cache-Bucket-Idx", str(use.bucket_index)),
        ("Helicone-Cache-Latency", str(round(answer.latency_ms))),
    ]
    flow.response = _response(answer.status, told, b"".join(piece for piece, _ in pieces))
    exchange = flight.exchange
    now = (time.time() - exchange.started_at) * 1000
    exchange.chunks = list(answer.chunks)
    if pace == "recorded":
        flow.metadata[PACING] = _waits(pieces)
        exchange.chunk_times = [now + at for at in answer.times]
    else:
        exchange.chunk_times = [now] * len(answer.chunks)
    exchange.usage_injected = answer.usage_injected
    exchange.cache = use


def hold(flow: http.HTTPFlow, *, always: bool = False) -> None:
    """Have a request's body held until it is whole, which else would pass as it comes.

    One that turns out to be too long is let go again, unless it is to be held whatever it takes.
    """
    tap = flow.request.stream
    if isinstance(tap, RequestTee):
        length: str = flow.request.headers.get("content-length", "0")
        if not always and int(length) > LONGEST_HELD:
            return
        flow.request.stream = False
        flow.metadata[OVERFLOW] = lambda: tap
    if always:
        flow.metadata.pop(OVERFLOW, None)


def _response(status: int, headers: Headers, content: bytes) -> http.Response:
    fields = [
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for name, value in headers
    ]
    return http.Response.make(status, content, http.Headers(fields))


def _seen_by_client(answer: Given) -> list[tuple[bytes, float]]:
    """Return the pieces that the client gets, with their times; usage that was asked for by us is not among them."""
    chunks = list(zip(answer.chunks, answer.times, strict=True))
    kind = (header(answer.headers, "content-type") or "").lower()
    if not answer.usage_injected or not kind.startswith("text/event-stream"):
        return chunks
    remover = UsageRemover()
    pieces = [(remover.feed(chunk), at) for chunk, at in chunks]
    if chunks:
        pieces.append((remover.flush(), chunks[-1][1]))
    return [(piece, at) for piece, at in pieces if piece]


def _waits(pieces: Sequence[tuple[bytes, float]]) -> list[tuple[bytes, float]]:
    waits, before = [], 0.0
    for piece, at in pieces:
        waits.append((piece, max(0.0, at - before) / 1000))
        before = at
    return waits
