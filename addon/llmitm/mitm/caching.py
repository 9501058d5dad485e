"""Answer calls from the cache, have identical calls share one, and keep what comes.

Of identical calls in flight at the same time the first goes upstream; the others wait for its end and are given its
answer. When it fails, they all go on by themselves at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from mitmproxy import http

from llmitm.answers.answer import About, StoredAnswer
from llmitm.answers.store import AnswerStore
from llmitm.calls import CacheUse, Exchange
from llmitm.mitm.answering import NO_ANSWER, Given, give, hold
from llmitm.mitm.flights import Flight, flight_of
from llmitm.mitm.guard import guarded, note_fault
from llmitm.mitm.refusals import refuse
from llmitm.mitm.tee import KEEP_WHOLE
from llmitm.policy.cache_key import cache_key, is_cached
from llmitm.policy.caching import decoded, is_given, read_to_save
from llmitm.policy.control import signed_headers
from llmitm.policy.directives import CacheDirective

_CALL = "llmitm_cache_call"
_HASHED_HERE = 64 * 1024
"""Bytes of a body whose key is worked out on the event loop."""
_LONGEST_WAIT = 600
"""Seconds that a call waits for another; no answer takes as long."""
_MOST_READ = 256
"""Answers that wait to be read before they are saved; beyond it they are not saved."""


class _Shared(NamedTuple):
    answer: StoredAnswer
    bucket: int


@dataclass(slots=True)
class _First:
    """The first of several identical calls."""

    id: str
    end: asyncio.Future[_Shared | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """What it was answered with; None where it failed."""


@dataclass(slots=True)
class _Call:
    """A call that goes upstream and is to be saved."""

    flight: Flight
    directive: CacheDirective
    key: bytes
    body: bytes
    """The request's, which the recorder may let go."""
    first: _First | None


class Caching:
    """Answer from the cache and fill it."""

    def __init__(
        self,
        store: AnswerStore,
        *,
        offline: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._offline = offline
        self._clock = clock
        self._first: dict[bytes, _First] = {}
        self._reader = ThreadPoolExecutor(1, "llmitm-answers")
        self._being_read = 0
        self.counters: Counter[str] = Counter()
        """`hits`, `shared` (among them not), `misses`."""

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Have every body held where nothing may be sent."""
        if self._offline and flight_of(flow) is not None and flow.response is None:
            hold(flow, always=True)

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a call from the cache, or let it go on and remember that it is to be saved."""
        flight = flight_of(flow)
        if flight is None or flow.response is not None:
            return
        directive = self._directive(flight)
        if directive is not None:
            key = await self._key(flow, flight, directive)
            if key is not None:
                await self._look_up(flow, flight, directive, key)
        if self._offline and flow.response is None:
            refuse(flow, flight, NO_ANSWER, "cache_miss", _why(flight))

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tell the client that its answer is not from the cache."""
        if _CALL in flow.metadata and flow.response is not None:
            flow.response.headers["Helicone-Cache"] = "MISS"

    @guarded
    def response(self, flow: http.HTTPFlow) -> None:
        """Give the answer to those who wait for it, and save it."""
        call: _Call | None = flow.metadata.pop(_CALL, None)
        if call is None:
            return
        exchange = call.flight.exchange
        if not is_given(exchange) or not _is_own(exchange) or self._being_read >= _MOST_READ:
            self._settle(call, None)
            return
        whole = replace(exchange, request_body=call.body, chunks=list(exchange.chunks))
        self._being_read += 1
        reading = asyncio.get_running_loop().run_in_executor(
            self._reader, _answer_of, whole, call.flight, call.directive, self._clock()
        )
        reading.add_done_callback(partial(self._has_been_read, call))

    @guarded
    def error(self, flow: http.HTTPFlow) -> None:
        """Tell those who wait that there will be no answer."""
        call: _Call | None = flow.metadata.pop(_CALL, None)
        if call is not None:
            self._settle(call, None)

    @guarded
    async def done(self) -> None:
        """Write out what is still waiting."""
        await asyncio.to_thread(self._reader.shutdown)
        await asyncio.to_thread(self._store.close)

    def _directive(self, flight: Flight) -> CacheDirective | None:
        """Return what holds for a call; offline nothing is saved and all is looked for."""
        directive = flight.directives.cache
        if not self._offline:
            return directive
        return replace(directive or CacheDirective(), read=True, save=False)

    async def _key(
        self, flow: http.HTTPFlow, flight: Flight, directive: CacheDirective
    ) -> bytes | None:
        if flow.request.stream or not is_cached(flight.endpoint, flow.request.method):
            return None
        exchange = flight.exchange
        make = partial(cache_key, exchange, directive, stream_usage=flight.directives.stream_usage)
        return (
            make() if len(exchange.request_body) <= _HASHED_HERE else await asyncio.to_thread(make)
        )

    async def _look_up(
        self, flow: http.HTTPFlow, flight: Flight, directive: CacheDirective, key: bytes
    ) -> None:
        first = self._first.get(key) if directive.read and directive.bucket_size == 1 else None
        leads = None
        if first is not None:
            shared = await _end_of(first)
            if shared is not None:
                self._give(flow, flight, directive, shared, shared.answer.about.call_id == first.id)
                return
        else:
            if directive.save and directive.bucket_size == 1 and key not in self._first:
                leads = self._first[key] = _First(flight.exchange.id)
            try:
                found = await self._found(directive, key)
            except BaseException:
                self._end(key, leads, None)
                raise
            if found is not None:
                self._end(key, leads, found)
                self._give(flow, flight, directive, found, False)
                return
        self.counters["misses"] += 1
        flight.exchange.cache = CacheUse("miss")
        _keep_cache_control(flow.request)
        flow.metadata[KEEP_WHOLE] = directive.save
        flow.metadata[_CALL] = _Call(flight, directive, key, flight.exchange.request_body, leads)

    async def _found(self, directive: CacheDirective, key: bytes) -> _Shared | None:
        if not directive.read:
            return None
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._store.reads, self._store.look_up, key, directive.bucket_size
        )
        return None if found is None else _Shared(*found)

    def _give(
        self,
        flow: http.HTTPFlow,
        flight: Flight,
        directive: CacheDirective,
        found: _Shared,
        shared: bool,
    ) -> None:
        about = found.answer.about
        answer = Given(
            status=about.status,
            headers=about.headers,
            chunks=found.answer.chunks,
            times=about.times,
            latency_ms=about.latency_ms,
            usage_injected=about.usage_injected,
        )
        self.counters["shared" if shared else "hits"] += 1
        use = CacheUse("hit", about.call_id, found.bucket, shared)
        give(flow, flight, answer, use, directive.pace)

    def _has_been_read(self, call: _Call, reading: asyncio.Future[StoredAnswer | None]) -> None:
        self._being_read -= 1
        answer = None
        try:
            answer = reading.result()
            if answer is not None and call.directive.save:
                self._store.save(call.key, call.directive.bucket_size, answer)
        except Exception:
            note_fault("Caching.response")
        self._settle(call, answer)

    def _settle(self, call: _Call, answer: StoredAnswer | None) -> None:
        self._end(call.key, call.first, _Shared(answer, 0) if answer is not None else None)

    def _end(self, key: bytes, first: _First | None, shared: _Shared | None) -> None:
        if first is not None:
            if self._first.get(key) is first:
                del self._first[key]
            if not first.end.done():
                first.end.set_result(shared)


async def _end_of(first: _First) -> _Shared | None:
    try:
        return await asyncio.wait_for(asyncio.shield(first.end), _LONGEST_WAIT)
    except TimeoutError:
        return None


def _answer_of(
    exchange: Exchange, flight: Flight, directive: CacheDirective, now: float
) -> StoredAnswer | None:
    """Return an answer as it is kept; None where it is not to be given again."""
    answer = read_to_save(exchange, flight.endpoint)
    chunks = decoded(exchange)
    if answer is None or chunks is None:
        return None
    started = exchange.retried_ms or 0.0  # what failed before is no part of the answer's pace
    times = [max(0.0, at - started) for _, at in chunks]
    about = About(
        call_id=exchange.id,
        saved_at=now,
        expires_at=now + directive.max_age,
        host=exchange.host,
        provider=flight.endpoint.provider,
        operation=flight.endpoint.operation,
        model=answer.model or flight.endpoint.model,
        status=exchange.status or 0,
        headers=list(exchange.response_headers),
        lengths=[len(chunk) for chunk, _ in chunks],
        times=times,
        latency_ms=times[-1] if times else 0.0,
        usage_injected=exchange.usage_injected,
    )
    return StoredAnswer(about, [chunk for chunk, _ in chunks])


def _is_own(exchange: Exchange) -> bool:
    """Tell whether the answer is of whom was asked.

    That of a fallback would outlive what made it necessary, and may be in a dialect that only this call translates.
    """
    return exchange.fallback_index is None


def _keep_cache_control(request: http.Request) -> None:
    """Take off what was meant for us, unless it is signed."""
    authorization: str = request.headers.get("authorization", "")
    if "cache-control" not in signed_headers(authorization):
        request.headers.pop("cache-control", None)


def _why(flight: Flight) -> str:
    if flight.exchange.cache is None:
        return "llmitm is offline, and answers of this kind are not kept in its cache"
    return "llmitm is offline, and its cache has no answer to this call"
