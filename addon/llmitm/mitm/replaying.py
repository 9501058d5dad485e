"""Write every call into a file, or answer every call from one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from mitmproxy import http

from llmitm.calls import CacheUse
from llmitm.mitm.answering import NO_ANSWER, Given, give, hold
from llmitm.mitm.flights import Flight, flight_of
from llmitm.mitm.guard import guarded
from llmitm.mitm.refusals import refuse
from llmitm.mitm.tee import KEEP_WHOLE
from llmitm.policy.caching import is_whole
from llmitm.replays import Recording, Replay

log = logging.getLogger("llmitm")

_CALL = "llmitm_recorded_call"


class RecordCalls:
    """Write every call that was answered into a file."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Have the body held: a part of it would be found by nobody."""
        if flight_of(flow) is not None and flow.response is None:
            hold(flow)

    @guarded
    def request(self, flow: http.HTTPFlow) -> None:
        """Remember the call, and its body, before it is on its way."""
        flight = flight_of(flow)
        if flight is None or flow.response is not None:
            return
        if flow.request.stream:
            log.warning(
                "llmitm: %s is too long to be recorded in %s",
                flight.exchange.path,
                self._recording.path,
            )
            return
        flow.metadata[_CALL] = flight, flight.exchange.request_body
        flow.metadata[KEEP_WHOLE] = True

    @guarded
    def response(self, flow: http.HTTPFlow) -> None:
        """Write a call that has ended."""
        call: tuple[Flight, bytes] | None = flow.metadata.pop(_CALL, None)
        if call is None or flow.websocket is not None:
            return
        flight, body = call
        exchange = flight.exchange
        if is_whole(exchange):
            self._recording.add(
                replace(exchange, request_body=body, chunks=list(exchange.chunks), rest=None)
            )

    @guarded
    async def done(self) -> None:
        """Write out what is still waiting."""
        await asyncio.to_thread(self._recording.close)


class ReplayCalls:
    """Answer every call from a file; nothing goes upstream."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Have the body held, whatever it is."""
        if flight_of(flow) is not None and flow.response is None:
            hold(flow, always=True)

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a call."""
        flight = flight_of(flow)
        if flight is None or flow.response is not None:
            return
        try:
            found = await asyncio.to_thread(self._replay.find, flight.exchange)
        except Exception:
            refuse(flow, flight, NO_ANSWER, "replay_miss", "llmitm could not look for this call")
            raise
        if isinstance(found, str):
            refuse(
                flow, flight, NO_ANSWER, "replay_miss", f"llmitm replays, and this call is {found}"
            )
            return
        answer = Given(
            status=found.status or 0,
            headers=found.response_headers,
            chunks=found.chunks,
            times=found.chunk_times or [0.0] * len(found.chunks),
            latency_ms=found.latency_ms or 0.0,
            usage_injected=found.usage_injected,
        )
        give(flow, flight, answer, CacheUse("hit", found.id))
