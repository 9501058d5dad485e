"""Answers for tests, each told by its number."""

from __future__ import annotations

import hashlib

from llmitm.answers.answer import About, StoredAnswer

NOW = 1_795_176_000.0


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def answer(
    number: int, size: int = 100, *, max_age: float = 60, now: float = NOW, version: int = 0
) -> StoredAnswer:
    """Return an answer that nothing compresses."""
    seed = f"{number} {version}".encode()
    text = b"".join(
        hashlib.sha256(seed + str(block).encode()).digest() for block in range(size // 32 + 1)
    )
    chunks = [text[: size // 3], text[size // 3 : size]]
    about = About(
        call_id=f"call {number} {version}",
        saved_at=now,
        expires_at=now + max_age,
        host="api.openai.com",
        provider="openai",
        operation="chat",
        model="gpt-4o-mini",
        status=200,
        headers=[("content-type", "text/event-stream")],
        lengths=[len(chunk) for chunk in chunks],
        times=[1.0, 2.5],
        latency_ms=3.0,
        usage_injected=True,
    )
    return StoredAnswer(about, chunks)
