"""Send calls to a collector as they are recorded: a thread of its own, which nobody waits for.

What waits is bounded. When the collector is away for long, what is too much is dropped and told; it is in the log and can be
sent later by `llmitm export otlp`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from queue import Empty, Full, Queue
from time import monotonic

from llmitm.calls import Finished
from llmitm.exports import turns
from llmitm.exports.otlp.entries import OtlpSettings
from llmitm.exports.otlp.sending import CALLS_A_REQUEST, Collector, NotTakenError, send
from llmitm.store.reader import Record
from llmitm.store.rows import clean, row

log = logging.getLogger("llmitm")

_MOST_WAITING = 5_000
_GATHER_SECONDS = 1.0
_STOP_SECONDS = 3.0


class LiveOtlp:
    """Sends what is handed in, from `start` to `stop`."""

    def __init__(self, settings: OtlpSettings, gather_seconds: float = _GATHER_SECONDS) -> None:
        self._is_on = settings.endpoint is not None
        self._content = settings.content
        self._gather_seconds = gather_seconds
        self._over = threading.Event()
        self._collector = Collector(
            settings.endpoint or "", settings.headers, settings.service, self._over.wait
        )
        self._queue: Queue[Record] = Queue(_MOST_WAITING)
        self.dropped = 0
        """Calls that were not sent."""
        self._is_down = False
        self._thread = threading.Thread(target=self._work, name="llmitm otlp", daemon=True)

    def start(self) -> None:
        """Start the thread, where there is a collector."""
        if self._is_on:
            self._thread.start()

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Take calls that are in the log. Does not wait and does not raise."""
        if not self._is_on:
            return
        for call in batch:
            try:
                self._queue.put_nowait(record(call, content=self._content))
            except Full:
                self.dropped += 1
            except Exception:
                self.dropped += 1
                log.exception("llmitm: a call could not be made into a span")

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Send what waits, within `timeout` seconds, and end."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _work(self) -> None:
        while not self._over.is_set() or not self._queue.empty():
            batch = self._gathered()
            if not batch:
                continue
            try:
                send(self._collector, batch, content=self._content)
            except NotTakenError as error:
                self.dropped += len(batch)
                if not self._is_down:
                    log.warning(
                        "llmitm: OpenTelemetry's collector takes no calls; llmitm export otlp can send them later: %s",
                        error,
                    )
                self._is_down = True
            except Exception:
                self.dropped += len(batch)
                log.exception("llmitm: fault in sending calls to OpenTelemetry's collector")
            else:
                self._is_down = False

    def _gathered(self) -> list[Record]:
        """Return what has come within a moment of the first call."""
        batch: list[Record] = []
        until = monotonic() + self._gather_seconds
        while len(batch) < CALLS_A_REQUEST:
            try:
                batch.append(self._queue.get(timeout=max(0.0, until - monotonic())))
            except Empty:
                break
            if self._over.is_set():
                until = monotonic()
        return batch


def record(call: Finished, *, content: bool) -> Record:
    """Return a finished call as the log gives it back, as far as a span needs it."""
    asked = turns.asked(call.request_text) if content else []
    return {
        **clean(row(call)),
        "properties": dict(call.identity.properties),
        "prompt": asked[-1].text if asked else None,
        "response": call.answer.text if content and call.response_text is not None else None,
    }
