"""Calls as OTLP's spans. Ids come of the calls' own, so a call that is sent twice is the same span."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from llmitm import __version__
from llmitm.exports.otlp import names
from llmitm.exports.otlp.protobuf import attributes, blob, fixed, integer, text
from llmitm.store.reader import Record

_CLIENT, _ERROR = 3, 2
_NS_A_MS = 1_000_000


def request(calls: Sequence[Record], service: str, *, content: bool) -> bytes:
    """Return an `ExportTraceServiceRequest`."""
    spans = b"".join(blob(2, _span(call, content)) for call in calls)
    return blob(1, resource(service) + blob(2, scope() + spans) + text(3, names.SCHEMA))


def resource(service: str) -> bytes:
    """Return who sends it."""
    return blob(1, attributes(1, {"service.name": service}))


def scope() -> bytes:
    """Return what has measured it."""
    return blob(1, text(1, "llmitm") + text(2, __version__))


def trace_id(call: Record) -> bytes:
    """Return the trace of a call: that of its session, else of its run, else its own."""
    for kind in ("session_id", "run_id", "id"):
        if call[kind]:
            return _digest(f"{kind} {call[kind]}", 16)
    return _digest("", 16)


def _span(call: Record, content: bool) -> bytes:
    model = call["model_requested"] or call["model"]
    name = names.operation(call)
    start = call["started_at"] * _NS_A_MS
    failed = names.error(call)
    span = (
        blob(1, trace_id(call))
        + blob(2, _digest(call["id"], 8))
        + text(5, f"{name} {model}" if model else name)
        + integer(6, _CLIENT)
        + fixed(7, start)
        + fixed(8, start + (call["latency_ms"] or 0) * _NS_A_MS)
        + attributes(9, names.of_span(call, content=content))
    )
    if failed is not None:
        message = text(2, call["error_message"]) if call["error_message"] else b""
        span += blob(15, message + integer(3, _ERROR))
    return span


def _digest(name: str, size: int) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=size).digest()
