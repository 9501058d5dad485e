"""The cache's key of a call: what makes its answer the answer to this call and to no other.

Two calls have the same key where a provider could not tell them apart, but for what the directive leaves out. In doubt
they have not: a body that is not read exactly is compared byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import parse_qsl

from llmitm.calls import Endpoint, Exchange, Json, Operation, header
from llmitm.identity import is_key_parameter, provider_keys
from llmitm.policy.directives import CacheDirective
from llmitm.policy.places import leave_out, place
from llmitm.policy.volatile import without_volatile
from llmitm.wire import multipart
from llmitm.wire.encodings import ContentDecoder

_CACHED: frozenset[Operation] = frozenset(
    {
        "chat",
        "completion",
        "count_tokens",
        "embedding",
        "image",
        "moderation",
        "rerank",
        "speech",
        "transcription",
    }
)
_HEADERS = frozenset(
    {
        "anthropic-beta",
        "anthropic-version",
        "openai-beta",
        "openai-organization",
        "openai-project",
        "prefer",  # Replicate: whether the answer is waited for
    }
)
"""Headers that change the answer."""
_HEADER_PREFIX = "x-amzn-bedrock-"
"""Guardrails, the model's latency. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
(read 2026-11-26)"""
_MEDIA = ("audio/", "image/", "video/")
"""What is wanted, where an `accept` header says so. Others differ from client to client and change nothing."""
_EXACT_DIGITS = 400
"""Digits of a number that is written as an integer."""

type Kind = Literal["json", "form", "bytes"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a key is made of."""

    seed: str | None
    method: str
    origin: str
    path: str
    """Without its query."""
    query: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]]
    credentials: Sequence[str]
    stream_usage: bool
    """Whether the client gets the usage that was asked for on its behalf."""
    kind: Kind
    document: Json = None
    """The body, where it is JSON and can be read exactly, without what is left out."""
    pieces: Sequence[bytes] = ()
    """The body else: of a form what stands between its boundaries."""

    def key(self) -> bytes:
        """Return the key, a SHA-256."""
        digest = hashlib.sha256()
        for part in self._all():
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()

    def _all(self) -> Iterator[bytes]:
        head = (
            self.seed,
            self.method,
            self.origin,
            self.path,
            self.query,
            self.headers,
            self.credentials,
            self.stream_usage,
            self.kind,
        )
        yield _canonical(head)
        if self.kind == "json":
            yield _canonical(self.document)
        else:
            yield from self.pieces


def is_cached(endpoint: Endpoint, method: str) -> bool:
    """Tell whether calls of this kind can be answered from the cache at all."""
    return method == "POST" and endpoint.operation in _CACHED and endpoint.dialect is not None


def cache_key(
    exchange: Exchange, directive: CacheDirective, *, stream_usage: bool = False
) -> bytes | None:
    """Return the key of a call; None where its answer is not all there is to it: a job, or a turn of what is kept.

    The call's body is there whole, as the client sent it.
    """
    found = parts(exchange, directive, stream_usage=stream_usage)
    return None if has_effect(found.document) else found.key()


def has_effect(document: Json) -> bool:
    """Tell whether a call begins or goes on with something that the provider keeps."""
    if not isinstance(document, dict):
        return False
    return document.get("background") is True or document.get("conversation") is not None


def parts(exchange: Exchange, directive: CacheDirective, *, stream_usage: bool = False) -> Parts:
    """Return what the key of a call is made of; `stream_usage` as the directive of that name."""
    path, _, query = exchange.path.partition("?")
    fields = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    made = Parts(
        seed=directive.seed,
        method=exchange.method,
        origin=f"{exchange.scheme}://{exchange.host}:{exchange.port}",
        path=path,
        query=[(name, value) for name, value in fields if not is_key_parameter(name)],
        headers=sorted(_telling(exchange)),
        credentials=[] if directive.share_between_keys else provider_keys(exchange),
        stream_usage=stream_usage,
        kind="bytes",
    )
    return _with_body(made, exchange, directive)


def _telling(exchange: Exchange) -> Iterator[tuple[str, str]]:
    for name, value in exchange.request_headers:
        lower = name.lower()
        if lower in _HEADERS or lower.startswith(_HEADER_PREFIX):
            yield lower, value.strip()
        elif lower == "content-type":
            yield lower, value.partition(";")[0].strip().lower()
        elif lower == "accept" and value.lower().startswith(_MEDIA):
            yield lower, value.strip().lower()


def _with_body(made: Parts, exchange: Exchange, directive: CacheDirective) -> Parts:
    body = _decoded(exchange)
    kind = header(exchange.request_headers, "content-type") or ""
    if (form := multipart.pieces(body, kind)) is not None:
        pieces = [piece for name, piece in form if name not in directive.ignore_keys]
        return replace(made, kind="form", pieces=pieces)
    try:
        document = _exact(body)
        leave_out(document, list(map(place, directive.ignore_keys)))
        if directive.volatile:
            without_volatile(document, header(exchange.request_headers, "user-agent"))
        _canonical(document)
    except (ValueError, ArithmeticError, RecursionError):
        return replace(made, kind="bytes", pieces=[body])
    return replace(made, kind="json", document=document)


def _decoded(exchange: Exchange) -> bytes:
    """Return the body out of its content encoding, where that is what the header says; else as it is."""
    encoding = header(exchange.request_headers, "content-encoding")
    if not encoding:
        return exchange.request_body
    decoder = ContentDecoder(encoding)
    body = decoder.feed(exchange.request_body)
    return exchange.request_body if decoder.broken or decoder.is_full else body


def _exact(body: bytes) -> Json:
    """Parse JSON of which nothing gets lost. Raises `ValueError` where something would."""
    return json.loads(
        body, object_pairs_hook=_unique, parse_float=_number, parse_constant=_no_constant
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is there twice: which of them holds differs from reader to reader")
    return made


def _number(text: str) -> int | float:
    """Return a number of which all digits are kept: 1.0 and 1e0 are 1."""
    exact = Decimal(text)
    if exact.adjusted() > _EXACT_DIGITS:
        raise ValueError("too large")
    whole = int(exact)
    if whole == exact:
        return whole
    near = float(text)
    if Decimal(repr(near)) != exact:
        raise ValueError("too many digits")
    return near


def _no_constant(text: str) -> Json:
    raise ValueError(f"{text} is no JSON")


def _canonical(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
