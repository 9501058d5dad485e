"""Calls wait here for their turn, so that they do not run into a provider's rate limit.

Stands after the cache and the user's own limits, before attempts: what is answered here needs no turn. It knows what
goes through this proxy; what uses the same key elsewhere shows in what the provider says is left. The limits of a lane
are learned again after a restart.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from mitmproxy import http

from llmitm.calls import Finished, Headers, Prompt
from llmitm.facts import CallFacts
from llmitm.mitm import refusals
from llmitm.mitm.flights import Flight, flight_of
from llmitm.mitm.guard import guarded
from llmitm.policy.governing import Governor, LaneName, Ticket, Verdict
from llmitm.providers import ratelimits, waits
from llmitm.reading import read_prompt
from llmitm.reserving import real, upper_usage
from llmitm.settings import GovernorSettings

_PLACE = "llmitm_place"
_REFUSED = (429, 529)
_ERROR_TYPE = "rate_limit_exceeded"
_READ_HERE = 64 * 1024
_LOOK_SECONDS = 0.25
"""How often is looked whether the client of a call that waits is still there."""
_LEAST_NOTED_MS = 1.0
_MOST_OPEN = 10_000
"""Calls whose tokens are still to be put right; of more the oldest stay as they were estimated."""
_GOVERNED = frozenset(
    {"chat", "completion", "embedding", "image", "speech", "transcription", "rerank", "moderation"}
)


class _Place:
    """A call in its lane."""

    def __init__(self, ticket: Ticket, family: str | None) -> None:
        self.ticket = ticket
        self.family = family
        """Whose rate-limit headers its provider sends."""
        self.has_turn = asyncio.Event()


class Governing:
    """Have calls wait for their turn, and learn from answers how many may go."""

    def __init__(self, settings: GovernorSettings) -> None:
        self._settings = settings
        self._governor = Governor(settings.limit)
        self._waiting: dict[Ticket, _Place] = {}
        self._timers: dict[LaneName, asyncio.TimerHandle] = {}
        self._open: dict[str, Ticket] = {}
        """By call, where its tokens are to be put right."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @guarded
    def running(self) -> None:
        """Take note of the loop on which everything is decided."""
        self._loop = asyncio.get_running_loop()

    @guarded
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Have a call wait whose body passes as it comes."""
        if flow.request.stream:
            await self._enter(flow)

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Have a call wait."""
        if not flow.request.stream:
            await self._enter(flow)

    async def admit(self, flow: http.HTTPFlow) -> None:
        """Have a call wait that is to be sent again, after an attempt that is the last of its `earlier` ones."""
        place: _Place | None = flow.metadata.pop(_PLACE, None)
        flight = flight_of(flow)
        if flight is None or place is None:
            return
        earlier = flight.exchange.earlier
        if earlier:
            self._learn(place, earlier[-1].status, earlier[-1].response_headers)
        self._end(place.ticket)
        await self._enter(flow, again=True)
        exchange = flight.exchange
        exchange.retried_ms = (time.time() - exchange.started_at) * 1000

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Learn what an answer tells of limits."""
        place: _Place | None = flow.metadata.get(_PLACE)
        if place is None or flow.response is None:
            return
        headers = list(flow.response.headers.items(multi=True))
        self._learn(place, flow.response.status_code, headers)

    @guarded
    def response(self, flow: http.HTTPFlow) -> None:
        """The answer has passed whole."""
        self._leave(flow)

    @guarded
    def error(self, flow: http.HTTPFlow) -> None:
        """There is no answer, or not all of it."""
        self._leave(flow)

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Put right how many tokens calls have used. Runs on the recorder's thread."""
        if self._loop is None or not self._open:
            return
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._settle, tuple(batch))

    def queued(self) -> int:
        """Return how many calls wait."""
        return len(self._waiting)

    async def _enter(self, flow: http.HTTPFlow, *, again: bool = False) -> None:
        flight = flight_of(flow)
        if (
            flight is None
            or flow.response is not None
            or flight.endpoint.operation not in _GOVERNED
            or _PLACE in flow.metadata
            or "upgrade" in flow.request.headers
        ):
            return
        facts = await _facts(flight, passes=bool(flow.request.stream), anew=again)
        ticket = _ticket(flight, facts)
        place = flow.metadata[_PLACE] = _Place(ticket, flight.entry.rate_limits)
        if self._settings.limit:
            self._open[flight.exchange.id] = ticket
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
        if self._governor.try_to_go(ticket, time.time()):
            return
        came = time.time()
        ticket.client = await _client(flow, flight, facts)
        reason = await self._wait(flow, flight, place, again=again)
        waited = time.time() - came
        if waited * 1000 >= _LEAST_NOTED_MS:
            exchange = flight.exchange
            exchange.queued_ms = (exchange.queued_ms or 0.0) + waited * 1000
            if reason:
                exchange.notes.append(f"waited {waited:.1f} s for {reason}")

    async def _wait(
        self, flow: http.HTTPFlow, flight: Flight, place: _Place, *, again: bool
    ) -> str:
        """Wait in the queue; return for what."""
        ticket = place.ticket
        deadline = time.time() + self._settings.longest_wait
        self._governor.wait(ticket)
        self._waiting[ticket] = place
        try:
            self._move(ticket.lane)
            reason = self._governor.verdict(ticket.lane, time.time()).reason
            while not place.has_turn.is_set():
                now = time.time()
                found = self._governor.verdict(ticket.lane, now)
                if not flow.client_conn.connected:
                    self._governor.leave(ticket)
                    flow.metadata.pop(_PLACE, None)
                    break
                if now >= deadline or self._is_in_vain(found, deadline):
                    self._give_up(flow, flight, ticket, found.reason or reason, again=again)
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        place.has_turn.wait(), min(_LOOK_SECONDS, deadline - now)
                    )
            return reason
        finally:
            if ticket.sent_at is None:
                with suppress(ValueError):  # it has left already
                    self._governor.leave(ticket)
            del self._waiting[ticket]
            self._move(ticket.lane)

    def _is_in_vain(self, found: Verdict, deadline: float) -> bool:
        """Tell whether there will be no room for so long that a wait only delays what the provider says."""
        longest = self._settings.longest_wait
        return found.more_at is not None and found.more_at > deadline + longest

    def _give_up(
        self, flow: http.HTTPFlow, flight: Flight, ticket: Ticket, reason: str, *, again: bool
    ) -> None:
        """Let a call go that can wait no longer, or refuse it."""
        longest = f"{self._settings.longest_wait:g} s"
        if self._settings.then == "refuse" and not again and not flow.request.stream:
            self._governor.leave(ticket)
            flow.metadata.pop(_PLACE, None)
            self._open.pop(flight.exchange.id, None)
            message = f"llmitm: no turn within {longest}, for it has to wait for {reason}"
            refusals.refuse(flow, flight, 429, _ERROR_TYPE, message)
            return
        self._governor.go_anyway(ticket, time.time())
        flight.exchange.notes.append(f"no turn within {longest}, sent all the same")

    def _learn(self, place: _Place, status: int | None, headers: Headers) -> None:
        now, ticket = time.time(), place.ticket
        refused = status in _REFUSED
        wait = waits.of_headers(headers, now) if refused else None
        if wait is not None and wait > self._settings.longest_wait:
            # Nothing can wait so long, so the provider may tell each call itself.
            wait = _LOOK_SECONDS
        limits = ratelimits.read(place.family, headers, now)
        self._governor.answered(ticket, now, limits, refused=refused, wait=wait)
        self._move(ticket.lane)

    def _leave(self, flow: http.HTTPFlow) -> None:
        place: _Place | None = flow.metadata.pop(_PLACE, None)
        if place is not None:
            self._end(place.ticket)

    def _end(self, ticket: Ticket) -> None:
        self._governor.ended(ticket)
        self._move(ticket.lane)

    @guarded
    def _move(self, lane: LaneName) -> None:
        """Let go what may, and look again when more may."""
        now = time.time()
        for ticket in self._governor.release(lane, now):
            self._waiting[ticket].has_turn.set()
        if (timer := self._timers.pop(lane, None)) is not None:
            timer.cancel()
        more_at = self._governor.verdict(lane, now).more_at
        if more_at is not None:
            loop = asyncio.get_running_loop()
            self._timers[lane] = loop.call_later(max(0.001, more_at - now), self._move, lane)

    @guarded
    def _settle(self, batch: Sequence[Finished]) -> None:
        for call in batch:
            ticket = self._open.pop(call.exchange.id, None)
            used = real(call, "token") if ticket else None
            if ticket is not None and used is not None:
                self._governor.settle(ticket, used)
                self._move(ticket.lane)


async def _facts(flight: Flight, *, passes: bool, anew: bool) -> CallFacts:
    """Return what is known of a call, its body read, off the loop where that takes long.

    It is read `anew` where it may go elsewhere now, with another model.
    """
    exchange, endpoint = flight.exchange, flight.endpoint
    prompt = Prompt() if passes else flight.prompt
    if prompt is None or anew:
        if len(exchange.request_body) > _READ_HERE:
            prompt = await asyncio.to_thread(read_prompt, exchange, endpoint)
        else:
            prompt = read_prompt(exchange, endpoint)
    if not passes and not anew:
        flight.prompt = prompt
    found = prompt
    return CallFacts(exchange, endpoint, lambda: found)


def _ticket(flight: Flight, facts: CallFacts) -> Ticket:
    exchange = flight.exchange
    lane = LaneName(flight.endpoint.provider, facts.key or "", facts.model or "")
    uses: dict[str, float] = {"requests": 1.0}
    usage = upper_usage(
        flight.endpoint, facts.prompt, exchange.request_body, exchange.request_headers
    )
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    uses |= {"tokens": given + made, "input_tokens": given, "output_tokens": made}
    return Ticket(lane, uses, flight.directives.priority)


async def _client(flow: http.HTTPFlow, flight: Flight, facts: CallFacts) -> str:
    """Return with whom a call shares its turns: its run, its user, else the process that made it."""
    exchange = flight.exchange
    found = exchange.tags.get("run_id") or facts.user
    if found is None and exchange.caller is not None:
        found = (await asyncio.to_thread(exchange.caller)).get("process.pid")
    return found or str(flow.client_conn.peername[0])
