"""An answer as it is kept: out of its content encoding, in the chunks that it came in, with what tells whose it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

import zstandard

from llmitm.calls import Headers

_LEVEL = 3


@dataclass(frozen=True, slots=True)
class About:
    """What is kept of an answer beside its body."""

    call_id: str
    """The call that it was given to."""
    saved_at: float
    """Seconds since the epoch."""
    expires_at: float
    host: str
    provider: str
    operation: str
    model: str | None
    status: int
    headers: Headers
    lengths: Sequence[int]
    """Bytes of each chunk."""
    times: Sequence[float]
    """Milliseconds from the call's start, one for each chunk."""
    latency_ms: float
    usage_injected: bool
    """True where the chunks have usage that the client did not ask for."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that can be given again."""

    about: About
    chunks: Sequence[bytes]


def pack(answer: StoredAnswer) -> tuple[bytes, bytes]:
    """Return what is known of an answer, and its body, as they are stored."""
    about = json.dumps(asdict(answer.about), separators=(",", ":")).encode()
    return about, zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(answer.chunks))


def unpack(about: bytes, body: bytes) -> StoredAnswer:
    """Return a stored answer. Raises `ValueError` where it is not whole."""
    try:
        fields = json.loads(about)
        fields["headers"] = [(name, value) for name, value in fields["headers"]]
        known = About(**fields)
        whole = zstandard.ZstdDecompressor().decompress(body)
    except (TypeError, KeyError, zstandard.ZstdError) as error:
        raise ValueError(f"is no answer: {error}") from error
    chunks, start = [], 0
    for length in known.lengths:
        chunks.append(whole[start : start + length])
        start += length
    if start != len(whole) or len(known.times) != len(chunks):
        raise ValueError("its chunks are not its body")
    return StoredAnswer(known, chunks)


def checksum(key: bytes, bucket: int, about: bytes, body: bytes) -> bytes:
    """Return what tells that a row is whole, and the answer to its key."""
    digest = blake2b(digest_size=16, person=b"llmitm answer")
    for part in (key, bucket.to_bytes(4, "big"), about, body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
