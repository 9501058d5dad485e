"""Keep calls within the user's own rate limits: what is beyond one is answered here, in its provider's own form.

Stands after the cache: what that answers uses nothing. A use is taken before the call goes out and settled when it has
been read and priced.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil, floor

from mitmproxy import http

from llmitm.calls import Finished, Prompt
from llmitm.facts import CallFacts
from llmitm.mitm import refusals
from llmitm.mitm.flights import Flight, flight_of
from llmitm.mitm.guard import guarded
from llmitm.policy import allowance
from llmitm.policy.allowance import Allowed, Denied
from llmitm.policy.directives import RateLimitDirective
from llmitm.reading import read_prompt
from llmitm.reserving import real, tokens, upper_usage, upper_usd
from llmitm.store.allowances import AllowanceFile
from llmitm_pricing import PriceTable

_ERROR_TYPE = "rate_limit_exceeded"
_TAKEN = "llmitm_taken"
_READ_HERE = 64 * 1024
_MOST_OPEN = 10_000
"""Uses that wait to be settled; of more the oldest stay as they were reserved, for their record was lost."""
_AT_LEAST = {"request": 1.0, "token": 0.0, "cents": 0.0}
"""What a call uses of which nothing is known yet."""
_WORDS = {"request": "requests", "token": "tokens", "cents": "cents"}


@dataclass(frozen=True, slots=True)
class _Taken:
    """A use that was allowed."""

    name: str
    directive: RateLimitDirective
    reserved: float
    allowed: Allowed


class Allowances:
    """Take, refuse and settle."""

    def __init__(
        self,
        file: AllowanceFile,
        prices: Callable[[], PriceTable],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._prices = prices
        self._clock = clock
        self._buckets = allowance.Allowances(file.load(clock()), file.changed)
        self._open: dict[str, _Taken] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @guarded
    def running(self) -> None:
        """Take note of the loop on which everything is decided."""
        self._loop = asyncio.get_running_loop()

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on a call whose body passes as it comes, of which nothing more will be known in time."""
        if (found := _limited(flow)) is not None and flow.request.stream:
            flight, directive = found
            facts = CallFacts(flight.exchange, flight.endpoint, Prompt)
            self._decide(flow, flight, directive, facts, _AT_LEAST[directive.unit])

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Let a call go on, or refuse it."""
        if (found := _limited(flow)) is None:
            return
        flight, directive = found
        if flow.request.stream:
            flight.exchange.notes.append("its rate limit came too late: its body had passed")
            return
        facts = await _facts(flight)
        amount = await self._amount(flight, directive, facts)
        self._decide(flow, flight, directive, facts, amount)

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tell the client what is left."""
        taken: _Taken | None = flow.metadata.get(_TAKEN)
        if taken is not None and flow.response is not None:
            _tell(flow.response, taken.directive, taken.allowed)

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Settle calls that have been read and priced. Runs on the recorder's thread."""
        if self._loop is None or not self._open:
            return
        with suppress(RuntimeError):  # the loop is closed: nobody is left to use anything
            self._loop.call_soon_threadsafe(self._settle, tuple(batch))

    @guarded
    async def done(self) -> None:
        """Write out what is left."""
        await asyncio.to_thread(self._file.close)

    def _decide(
        self,
        flow: http.HTTPFlow,
        flight: Flight,
        directive: RateLimitDirective,
        facts: CallFacts,
        amount: float,
    ) -> None:
        name = allowance.key(directive, _segment(directive, facts), facts.key)
        found = self._buckets.take(name, directive, amount, self._clock())
        if isinstance(found, Denied):
            _refuse(flow, flight, directive, found)
            return
        taken = flow.metadata[_TAKEN] = _Taken(name, directive, amount, found)
        if directive.unit != "request":
            self._open[flight.exchange.id] = taken
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]

    async def _amount(
        self, flight: Flight, directive: RateLimitDirective, facts: CallFacts
    ) -> float:
        """Return how much of its unit a call is taken to use; it may take a while to find out."""
        if directive.unit == "request":
            return 1
        estimate = partial(_estimate, flight, directive, facts, self._prices())
        if directive.unit == "token" and len(flight.exchange.request_body) <= _READ_HERE:
            return estimate() or 0
        found = await asyncio.to_thread(estimate)  # price files may have to be read
        if found is None:
            flight.exchange.notes.append(
                "it has no price beforehand: nothing of its limit was reserved"
            )
        return found or 0

    @guarded
    def _settle(self, batch: Sequence[Finished]) -> None:
        for call in batch:
            if (turn := call.exchange.turn) is not None:
                taken = self._open.get(turn.socket_id)
                reserved = 0.0  # for a turn of a socket nothing is
            else:
                taken = self._open.pop(call.exchange.id, None)
                reserved = taken.reserved if taken else 0.0
            used = real(call, taken.directive.unit) if taken else None
            if taken is not None and used is not None:  # else what was reserved stays used
                self._buckets.settle(taken.name, taken.directive, reserved, used, self._clock())


def _limited(flow: http.HTTPFlow) -> tuple[Flight, RateLimitDirective] | None:
    """Return a call that a limit is still to be held against."""
    flight = flight_of(flow)
    if flight is None or flow.response is not None or _TAKEN in flow.metadata:
        return None
    directive = flight.directives.rate_limit
    return None if directive is None else (flight, directive)


async def _facts(flight: Flight) -> CallFacts:
    """Return what is known of a call, its body read, off the loop where that takes long."""
    exchange, endpoint = flight.exchange, flight.endpoint

    def read() -> Prompt:
        return flight.prompt or read_prompt(exchange, endpoint)

    if flight.prompt is None and len(exchange.request_body) > _READ_HERE:
        prompt = await asyncio.to_thread(read)
        return CallFacts(exchange, endpoint, lambda: prompt)
    return CallFacts(exchange, endpoint, read)


def _estimate(
    flight: Flight, directive: RateLimitDirective, facts: CallFacts, table: PriceTable
) -> float | None:
    exchange = flight.exchange
    usage = upper_usage(
        flight.endpoint, facts.prompt, exchange.request_body, exchange.request_headers
    )
    if directive.unit == "token":
        return tokens(usage)
    usd = upper_usd(exchange, flight.endpoint, facts.prompt, usage, table)
    return None if usd is None else float(usd * 100)


def _segment(directive: RateLimitDirective, facts: CallFacts) -> str:
    """Return whose bucket it is; calls that name nobody share one."""
    if directive.segment is None:
        return ""
    wanted = directive.segment.lower()
    if wanted == "user":
        return facts.user or ""
    return next((value for name, value in facts.properties.items() if name.lower() == wanted), "")


def _refuse(
    flow: http.HTTPFlow, flight: Flight, directive: RateLimitDirective, denied: Denied
) -> None:
    wait = max(1, ceil(denied.retry_after))
    whose = f" for each {directive.segment}" if directive.segment else ""
    message = (
        f"llmitm: the limit of {directive.quota:f} {_WORDS[directive.unit]}"
        f" in {directive.window} s{whose} ({directive.text}) is used up; try again in {wait} s"
    )
    # Here trying again later does help: the SDKs wait as long as they are told.
    told = {"retry-after": str(wait)}
    refusals.refuse(flow, flight, 429, _ERROR_TYPE, message, headers=told)
    if flow.response is not None:
        _tell(flow.response, directive, denied)


def _tell(response: http.Response, directive: RateLimitDirective, found: Allowed | Denied) -> None:
    response.headers["Helicone-RateLimit-Limit"] = f"{directive.quota:f}"
    left = (
        floor(found.remaining * 100) / 100 if directive.unit == "cents" else floor(found.remaining)
    )
    response.headers["Helicone-RateLimit-Remaining"] = str(left)
    response.headers["Helicone-RateLimit-Reset"] = str(ceil(found.reset))
    response.headers["Helicone-RateLimit-Policy"] = directive.text
