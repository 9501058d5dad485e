"""What is done about attempts that fail: wait and send again, go to a fallback, or let the failure pass.

The layer (`resending`) asks; the rules are in `policy`. Everything here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from mitmproxy import http

from llmitm.calls import Exchange, Prompt
from llmitm.mitm.flights import COURSE, PAUSE, Flight, Prepare, Retarget, flight_of
from llmitm.mitm.guard import guarded
from llmitm.policy.failures import (
    Failure,
    Kind,
    failed_answer,
    hint,
    is_worth_retrying,
    matches,
)
from llmitm.policy.retrying import next_wait
from llmitm.providers.base import Head, StreamReader
from llmitm.providers.dialects import by_name
from llmitm.wire import jsontext
from llmitm.wire.encodings import decode

type Afford = Callable[[http.HTTPFlow, Exchange], Awaitable[bool]]
"""Tells whether there is money for another attempt, after one that failed."""

_FAILED = 400
_LONGEST_ERROR = 1024 * 1024
"""Bytes of a failed answer that are waited for; a longer one passes."""
_LONGEST_START = 256 * 1024
"""Bytes of a stream without any content that are held; a longer beginning passes."""
_ERROR_KEPT = 64 * 1024
_LOOK_SECONDS = 0.05
"""How often is looked whether the client is still there, while a call waits."""
_TLS_WORDS = ("tls", "ssl", "certificate")


class Attempting:
    """What a call does with its attempts: a `Course`, as `resending` has it."""

    def __init__(self, flow: http.HTTPFlow, flight: Flight, hold_seconds: float) -> None:
        self.resend = False
        self.hold_seconds = hold_seconds
        self.is_abandoned: Callable[[], bool] = lambda: False
        self.retries = 0
        self.model: str | None = None
        """Of the fallback that is asked, where it names one."""
        self._flow = flow
        self._flight = flight
        fallback = flight.directives.fallback
        self._targets = list(fallback.targets) if fallback else []
        self._codes = fallback.on_codes if fallback else ()
        self._tries = 1
        """At the present target."""
        self._started = self._attempt_started = time.time()
        self._response: http.Response | None = None
        self._reader: StreamReader | None = None
        self._kept: list[bytes] = []
        self._size = 0
        self._failure: Failure | None = None
        self._broken: str | None = None

    # What the layer tells.

    def begins(self, response: http.Response) -> Literal["pass", "hold"]:
        """Hold what has failed, and the beginning of a stream, as long as something can be done about it."""
        self._forget()
        self._response = response
        if not self._may_go_on():
            return "pass"
        if response.status_code >= _FAILED:
            return "hold"
        if self.hold_seconds <= 0 or not self._is_stream(response):
            return "pass"
        endpoint = self._flight.endpoint
        if endpoint.dialect is None:
            return "pass"
        headers = list(response.headers.items(multi=True))
        prompt = self._flight.prompt or Prompt(streaming=True)
        head = Head(response.status_code, headers, endpoint, prompt)
        self._reader = StreamReader(by_name(endpoint.dialect), head)
        return "hold"

    def look(self, data: bytes) -> Literal["pass", "hold", "failed"]:
        """Let a stream go once it has content, or an error, or is too long."""
        self._kept.append(data)
        self._size += len(data)
        if self._reader is None:
            return "hold" if self._size <= _LONGEST_ERROR else "pass"
        if self._reader.feed(data):
            return "pass"
        if self._reader.error is not None:
            self._failure = self._failed("stream", self._reader.document)
            return "failed"
        return "hold" if self._size <= _LONGEST_START else "pass"

    def ends(self) -> Literal["pass", "failed"]:
        """Tell whether an answer that has ended without content has failed."""
        response = self._response
        assert response is not None
        if self._reader is None:
            body = decode(b"".join(self._kept), response.headers.get("content-encoding"))
            self._failure = self._failed("status", jsontext.parse_or_none(body))
            return "failed"
        answer = self._reader.close()
        if answer.error_type is None and (answer.finish_reason or not self._reader.streamed):
            return "pass"
        self._failure = self._failed("stream", answer.document)
        return "failed"

    def breaks(self, message: str, *, connecting: bool) -> None:
        """Take note of a connection that failed."""
        kind: Kind = "reset"
        if connecting:
            is_tls = any(word in message.lower() for word in _TLS_WORDS)
            kind = "tls" if is_tls else "connection"
        endpoint = self._flight.endpoint
        self._broken = message
        self._failure = Failure(kind, endpoint.provider, endpoint.dialect, error_message=message)
        if connecting:
            self._forget()

    def _failed(self, kind: Literal["status", "stream"], document: object) -> Failure:
        response, endpoint = self._response, self._flight.endpoint
        assert response is not None
        headers = list(response.headers.items(multi=True))
        status = response.status_code
        return failed_answer(kind, endpoint.provider, endpoint.dialect, status, headers, document)

    def _is_stream(self, response: http.Response) -> bool:
        kind: str = response.headers.get("content-type", "").lower()
        prompt = self._flight.prompt
        return "stream" in kind or "ndjson" in kind or bool(prompt and prompt.streaming)

    def has_given_up(self, status: int) -> bool:
        """Tell whether an answer is a failure that was to be tried again here, and is not any more."""
        return status >= _FAILED and self._flight.directives.retry is not None

    def _may_go_on(self) -> bool:
        retry = self._flight.directives.retry
        return bool(self._targets) or (retry is not None and self._tries <= retry.retries)

    def _forget(self) -> None:
        self._response = self._reader = None
        self._kept, self._size = [], 0

    # What is done about it.

    async def decide(self, retarget: Retarget, prepare: Prepare, afford: Afford) -> None:
        """Wait for the next attempt, and make the request what it then is; `resend` tells whether there is one."""
        failure, exchange = self._failure, self._flight.exchange
        assert failure is not None
        wait = self._wait(failure)
        if wait is not None:
            earlier, failed_at = self._snapshot(), time.time()
            if not await self._waited(wait):
                return
            earlier.waited_ms = (time.time() - failed_at) * 1000
            self._tries += 1
            self.retries += 1
        else:
            earlier = self._snapshot()
            if not await self._goes_elsewhere(failure, retarget):
                return
            await prepare(self._flow)
        if not await afford(self._flow, earlier):
            return
        exchange.earlier.append(earlier)
        self._attempt_started = time.time()
        exchange.retried_ms = (self._attempt_started - exchange.started_at) * 1000
        self._failure = self._broken = None
        self.resend = True

    def _wait(self, failure: Failure) -> float | None:
        retry = self._flight.directives.retry
        if retry is None or self._tries > retry.retries:
            return None
        verdict = is_worth_retrying(failure)
        if not verdict.yes:
            self._flight.exchange.notes.append(f"not retried: {verdict.reason}")
            return None
        now = time.time()
        asked = hint(failure, now)
        wait = next_wait(retry, self._tries, asked, now - self._started, random.random)
        if wait is None:
            told = f"the provider asks to wait {asked:.0f} s" if asked else "it has taken too long"
            self._flight.exchange.notes.append(f"not retried: {told}")
        return wait

    async def _goes_elsewhere(self, failure: Failure, retarget: Retarget) -> bool:
        """Make the request that for the next fallback that can be had."""
        exchange = self._flight.exchange
        if not self._targets or not matches(self._codes, failure):
            return False
        fallback = self._flight.directives.fallback
        assert fallback is not None
        while self._targets:
            target = self._targets.pop(0)
            index = len(fallback.targets) - len(self._targets) - 1
            refused = await retarget(self._flow, self._flight, target)
            if refused is None:
                exchange.fallback_index, self.model = index, target.model
                self._codes = target.on_codes
                self._tries = 1
                return True
            exchange.notes.append(f"fallback {index} ({target.model or target.url}): {refused}")
        return False

    def _snapshot(self) -> Exchange:
        """Return the attempt that has just failed."""
        exchange, response = self._flight.exchange, self._response
        latency = (time.time() - self._attempt_started) * 1000
        return replace(
            exchange,
            started_at=self._attempt_started,
            status=response.status_code if response else None,
            response_headers=list(response.headers.items(multi=True)) if response else (),
            chunks=[b"".join(self._kept)[:_ERROR_KEPT]],
            chunk_times=[latency],
            latency_ms=latency,
            ending="complete" if self._broken is None else _ending(response),
            error_message=self._broken,
            earlier=[],
            notes=[],
        )

    async def _waited(self, seconds: float) -> bool:
        """Wait; return whether the client is still there."""
        deadline = time.monotonic() + seconds
        while not self.is_abandoned():
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(left, _LOOK_SECONDS))
        return False


def _ending(response: http.Response | None) -> Literal["no_answer", "upstream_broke"]:
    return "no_answer" if response is None else "upstream_broke"


class Attempts:
    """Retry calls, and send them elsewhere, where their directives say so."""

    def __init__(
        self,
        retarget: Retarget,
        prepare: Prepare,
        afford: Afford,
        hold_seconds: float,
        admit: Prepare | None = None,
        only_here: bool = False,
    ) -> None:
        self._retarget = retarget
        self._prepare = prepare
        self._afford = afford
        self._hold_seconds = hold_seconds
        self._admit = admit
        self._only_here = only_here

    @guarded
    def request(self, flow: http.HTTPFlow) -> None:
        """Give a call that is really sent its course."""
        flight = flight_of(flow)
        if flight is None or flow.response is not None or flow.request.stream:
            return
        directives = flight.directives
        if directives.retry is None and directives.fallback is None:
            return
        if "upgrade" not in flow.request.headers:
            flow.metadata[COURSE] = Attempting(flow, flight, self._hold_seconds)

    @guarded
    async def llm_attempt(self, flow: http.HTTPFlow) -> None:
        """An attempt has failed."""
        course: Attempting | None = flow.metadata.get(COURSE)
        if course is not None:
            await course.decide(self._retarget, self._prepare, self._afford)
            if course.resend and self._admit is not None:
                await self._admit(flow)

    @guarded
    async def llm_pause(self, flow: http.HTTPFlow) -> None:
        """A replay waits before its next piece."""
        await asyncio.sleep(flow.metadata.get(PAUSE, 0.0))

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tell the client what it took."""
        course: Attempting | None = flow.metadata.get(COURSE)
        if course is None or flow.response is None:
            return
        headers = flow.response.headers
        if self._only_here and course.has_given_up(flow.response.status_code):
            headers["x-should-retry"] = "false"
        if course.retries:
            headers["Helicone-Retry-Count"] = str(course.retries)
        flight = flight_of(flow)
        if flight is not None and flight.exchange.fallback_index is not None:
            headers["Helicone-Fallback-Index"] = str(flight.exchange.fallback_index)
            if course.model:
                headers["Helicone-Fallback-Model"] = course.model
