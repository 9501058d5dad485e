"""What a person sees of the running proxy: a line a call, and the state that `/llmitm/health` gives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal

from llmitm import harmless
from llmitm.calls import Finished, Json
from llmitm.mitm.guard import faults, guarded
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.tunnel import Tunnel
from llmitm.recorder import Recorder

log = logging.getLogger("llmitm")

_FLUSH_SECONDS = 10
_SMALLEST_SHOWN = Decimal("0.000001")


class Console:
    """Say what happened."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._recorder: Recorder | None = None
        self._tunnel: Tunnel | None = None
        self._intercept: Intercept | None = None
        self._queued: Callable[[], int] = lambda: 0
        self._held: Callable[[], int] = lambda: 0

    def watch(
        self,
        recorder: Recorder,
        tunnel: Tunnel,
        intercept: Intercept,
        queued: Callable[[], int] = lambda: 0,
        held: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take the parts whose state is shown.

        `queued` tells how many calls wait for their turn, `held` how many wait until their run may go on.
        """
        self._recorder, self._tunnel, self._intercept = recorder, tunnel, intercept
        self._queued, self._held = queued, held

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Show calls that are in the database now. Runs on the recorder's thread."""
        if not self._quiet:
            log.info("\n".join(map(line, batch)))  # mitmproxy's log handlers cost more than a line

    def health(self) -> Mapping[str, Json]:
        """Return the counters, for `llmitm doctor` and for the summary of `llmitm run`."""
        if self._recorder is None or self._tunnel is None or self._intercept is None:
            return {}
        return {
            "counters": asdict(self._recorder.counters),
            "in_flight": self._intercept.in_flight,
            "queued": self._queued(),
            "held": self._held(),
            "waiting": self._recorder.waiting,
            "tunnelled": self._tunnel.tunnelled,
            "faults": dict(faults),
            "refusals": [refusal._asdict() for refusal in self._tunnel.refusals],
        }

    @guarded
    async def done(self) -> None:
        """Write out what is still waiting."""
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close, _FLUSH_SECONDS)


def line(call: Finished) -> str:
    """Return a finished call on one line: what it was, what it took, what it cost."""
    usage, charge = call.answer.usage, call.charge
    tokens = f"{_count(usage.input_tokens)} in · {_count(usage.output_tokens)} out"
    cost = "unpriced" if charge.usd is None else _usd(charge.usd)
    if call.exchange.cache is not None and call.exchange.cache.state == "hit":
        cost = "cached" if call.saved_usd is None else f"cached, {_usd(call.saved_usd)} saved"
    seconds = f"{(call.exchange.latency_ms or 0) / 1000:.2f} s"
    state = (
        ""
        if call.outcome == "ok"
        else f" · {call.outcome} {call.error_type or call.exchange.status or ''}"
    )
    if call.attempts:
        state = f" · {len(call.attempts) + 1} attempts{state}"
    name = call.model or call.endpoint.operation
    told = f"llmitm: {call.endpoint.provider} {name} · {tokens} · {cost} · {seconds}{state}"
    return harmless.line(told.rstrip())


def _count(tokens: int | None) -> str:
    return "–" if tokens is None else f"{tokens:,}"


def _usd(amount: Decimal) -> str:
    return "<$0.000001" if 0 < amount < _SMALLEST_SHOWN else f"${amount:.6f}"
