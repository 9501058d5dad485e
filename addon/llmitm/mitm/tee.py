"""Taps on bodies that pass through as streams: forward first, look second, never raise.

mitmproxy loses a chunk for the client when the function raises, so what may fail is done on a worker, later.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from itertools import accumulate
from tempfile import TemporaryFile

from llmitm.calls import Exchange
from llmitm.mitm.guard import note_fault
from llmitm.policy.usage_chunk import UsageRemover
from llmitm.wire.uploads import Kept

OVERFLOW = "llmitm_overflow"
"""Key of the flow's metadata for what makes a `RequestTee`, once a body has become too long to be held."""
KEEP_WHOLE = "llmitm_keep_whole"
"""Key of the flow's metadata: whether the answer is to be kept whole, sound and pictures too."""
LONGEST_KEPT = 64 * 1024 * 1024
"""Bytes of a response that are kept to be read; of a longer one the start is, and the row says so."""
_START_KEPT = 1024 * 1024
_MOST_IN_MEMORY = 16 * 1024 * 1024
"""Bytes of the results of a batch that are kept in memory; the rest waits in a file."""
_MOST_IN_FILE = 1024 * 1024 * 1024


class ResponseTee:
    """Pass response chunks on as they come, and keep them with their times."""

    __slots__ = ("_exchange", "_kept", "_most", "_remover", "_to_file")

    def __init__(
        self,
        exchange: Exchange,
        remover: UsageRemover | None = None,
        most: int = LONGEST_KEPT,
        *,
        to_file: bool = False,
    ) -> None:
        self._exchange = exchange
        self._remover = remover
        self._to_file = to_file
        self._most = _MOST_IN_MEMORY if to_file else most
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
                if not exchange.response_truncated and not self._to_file:
                    self._let_go()
                exchange.response_truncated = True
                exchange.response_unseen += len(data)
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

    def _let_go(self) -> None:
        """Keep no more than the start of a body whose end will not be seen: its usage is lost with it."""
        exchange = self._exchange
        sizes = list(accumulate(map(len, exchange.chunks)))
        number = bisect_left(sizes, _START_KEPT) + 1
        exchange.response_unseen += sum(map(len, exchange.chunks[number:]))
        del exchange.chunks[number:], exchange.chunk_times[number:]


class RequestTee:
    """Pass request chunks on as they come, and keep what the record needs of them."""

    __slots__ = ("_exchange", "_kept")

    def __init__(self, exchange: Exchange, kept: Kept) -> None:
        self._exchange = exchange
        self._kept: Kept | None = kept

    def __call__(self, data: bytes) -> bytes:
        """Take a chunk and return it; `b""` is the end of the body."""
        if self._kept is not None:
            try:
                self._kept.feed(data)
            except Exception:
                note_fault("RequestTee")
                self._kept = None
        return data

    def settle(self) -> None:
        """Put what was kept into the exchange: the body has ended, or will not."""
        if self._kept is None:
            self._exchange.request_truncated = True
            return
        self._exchange.request_body = self._kept.body()
        self._exchange.request_gaps = self._kept.gaps
        self._exchange.request_truncated = bool(self._kept.gaps)
