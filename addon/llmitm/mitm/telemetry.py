"""Calls to OpenTelemetry's collector, as an addon: they are sent as long as the proxy runs, the last when the log is closed."""

from __future__ import annotations

import asyncio

from llmitm.exports.otlp.live import LiveOtlp
from llmitm.mitm.guard import guarded


class Telemetry:
    """Hold what sends them."""

    def __init__(self, live: LiveOtlp) -> None:
        self._live = live

    @guarded
    def running(self) -> None:
        """The proxy listens."""
        self._live.start()

    @guarded
    async def done(self) -> None:
        """Send what waits; comes after the log has been closed."""
        await asyncio.to_thread(self._live.stop)
