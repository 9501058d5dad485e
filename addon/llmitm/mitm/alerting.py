"""Alerts, as an addon: they watch as long as the proxy runs, and look once more when the log is closed."""

from __future__ import annotations

import asyncio

from llmitm.alerts.runner import AlertRunner
from llmitm.mitm.guard import guarded


class Alerting:
    """Hold the runner."""

    def __init__(self, runner: AlertRunner) -> None:
        self._runner = runner

    @guarded
    def running(self) -> None:
        """The proxy listens."""
        self._runner.start()

    @guarded
    async def done(self) -> None:
        """Send what the last calls have set off; comes after the log has been closed."""
        await asyncio.to_thread(self._runner.stop)
