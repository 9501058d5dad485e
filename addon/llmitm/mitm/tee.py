"""Taps on bodies that pass through as streams: forward first, look second, never raise.

mitmproxy loses a chunk for the client when the function raises, so what may fail is done on a worker, later.
"""

from __future__ import annotations

import time
from tempfile import TemporaryFile

from llmitm.calls import Exchange
from llmitm.mitm.guard import note_fault
from llmitm.policy.usage_chunk import UsageRemover

LONGEST_KEPT = 64 * 1024 * 1024
"""Bytes of one body that are kept to be read; the rest passes unseen and the row says so."""
_MOST_IN_MEMORY = 16 * 1024 * 1024
"""Bytes of the results of a batch that are kept in memory; the rest waits in a file."""
_MOST_IN_FILE = 1024 * 1024 * 1024


class ResponseTee:
    """Pass response chunks on as they come, and keep them with their times."""

    __slots__ = ("_exchange", "_kept", "_most", "_remover", "_to_file")

    def __init__(
        self, exchange: Exchange, remover: UsageRemover | None = None, *, to_file: bool = False
    ) -> None:
        self._to_file = to_file
        self._most = _MOST_IN_MEMORY if to_file else LONGEST_KEPT
        self._exchange = exchange
        self._remover = remover
        self._kept = 0

    def __call__(self, data: bytes) -> bytes | tuple[()]:
        """Take a chunk, return what the client gets; `b""` is the end of the body."""
        exchange = self._exchange
        if data:
            if self._kept < self._most:
                exchange.chunks.append(data)
                exchange.chunk_times.append((time.time() - exchange.started_at) * 1000)
                self._kept += len(data)
            elif not self._is_put_into_file(data):
                exchange.response_truncated = True
        if self._remover is None:
            return data
        try:
            # An empty chunk would be the end of a chunked body; no chunk is none.
            return (self._remover.feed(data) if data else self._remover.flush()) or ()
        except Exception:
            note_fault("UsageRemover")
            self._remover = None
            return data

    def _is_put_into_file(self, data: bytes) -> bool:
        exchange = self._exchange
        if not self._to_file or exchange.response_truncated:
            return False
        self._kept += len(data)
        if self._kept > _MOST_IN_FILE:
            return False
        try:
            if exchange.rest is None:
                exchange.rest = TemporaryFile()  # noqa: SIM115 - closed by who reads it
            exchange.rest.write(data)
        except OSError:
            return False
        return True


class RequestTee:
    """Pass request chunks on as they come, and keep the start of the body."""

    __slots__ = ("_chunks", "_kept", "exchange")

    LONGEST_KEPT = 1024 * 1024

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._chunks: list[bytes] = []
        self._kept = 0

    def __call__(self, data: bytes) -> bytes:
        """Take a chunk and return it."""
        if self._kept < self.LONGEST_KEPT:
            self._chunks.append(data)
            self._kept += len(data)
        else:
            self.exchange.request_truncated = True
        return data

    def body(self) -> bytes:
        """Return what was kept."""
        return b"".join(self._chunks)
