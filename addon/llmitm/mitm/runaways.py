"""Warn of runs that run away, and hold their calls until somebody lets them go on.

What calls have cost and said is looked at on the recorder's thread, once they are in the log; here a call of a run that
nobody has complained of costs one look at an empty table. Stands after the cache, whose answers cost nothing, and before
budgets, so that a call that waits has nothing reserved.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mitmproxy import http

from llmitm.callers import PROPERTIES
from llmitm.calls import Finished, Identity, Prompt
from llmitm.identity import changed, credentials, identify
from llmitm.mitm import budget_refusals
from llmitm.mitm.flights import Flight, flight_of
from llmitm.mitm.guard import guarded
from llmitm.policy.runaways import AGAIN_SECONDS, Action, Finding, Runaways
from llmitm.reading import read_prompt
from llmitm.redact import Redactor, spellings
from llmitm.settings import RunawaySettings
from llmitm.signs import Run, run_of, seen
from llmitm.store.runaways import Runaway, RunawayFile

log = logging.getLogger("llmitm")

HEADER = "X-llmitm-Runaway"
ERROR_TYPE = "run_held"
_SAID = "llmitm_runaway"
_READ_HERE = 64 * 1024
_LOOK_SECONDS = 0.25
"""How often is looked whether the client of a call that waits is still there."""
_POLL_SECONDS = 0.5
_MOST_OPEN = 10_000
_NOT_HELD = frozenset({"models", "count_tokens", "file", "other"})
"""They cost nothing, and programs ask them in passing."""
_LONGEST_TOLD = 200


@dataclass(slots=True)
class _Flag:
    """A run of which something was said."""

    run: str
    words: str
    at: float
    is_held: bool
    is_noted: bool = False
    """Whether a call has it in its row."""
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)


class RunawayWatch:
    """Look at what calls were, and hold those that go on."""

    def __init__(
        self,
        file: RunawayFile,
        settings: RunawaySettings,
        redact: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._settings = settings
        self._redactor = Redactor(redact)
        self._clock = clock
        self._runaways = Runaways(settings)
        self._own: dict[str, Action] = {}
        """By call: what a rule says of it, where that is not what the settings say."""
        self._lock = threading.Lock()
        self._flags: dict[str, _Flag] = {}
        self._waiting = 0
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def held(self) -> int:
        """How many calls wait."""
        return self._waiting

    @guarded
    async def running(self) -> None:
        """Take note of the loop, and hold what was held when the proxy ended."""
        self._loop = asyncio.get_running_loop()
        for found in await asyncio.to_thread(self._holds) or ():
            self._flag(found)

    @guarded
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Hold a call whose body passes as it comes."""
        if flow.request.stream:
            await self._enter(flow)

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Hold a call."""
        if not flow.request.stream:
            await self._enter(flow)

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tell a client that speaks to us by control headers what was seen of its run."""
        words: str | None = flow.metadata.get(_SAID)
        flight = flight_of(flow)
        # Others get their answers as they came, to the byte.
        speaks_to_us = flight is not None and flight.exchange.request_id is not None
        if words is not None and flow.response is not None and speaks_to_us:
            told = words.encode("ascii", "backslashreplace").decode()
            told = "".join(sign for sign in told if sign.isprintable())
            flow.response.headers[HEADER] = told[:_LONGEST_TOLD]

    @guarded
    def done(self) -> None:
        """Stop looking whether runs may go on."""
        if self._poller is not None:
            self._poller.cancel()

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Look at calls that are in the log. Runs on the recorder's thread."""
        for call in batch:
            turn = call.exchange.turn
            with self._lock:
                if turn is not None:
                    action = self._own.get(turn.socket_id, self._settings.action)
                else:
                    action = self._own.pop(call.exchange.id, self._settings.action)
            run = run_of(call.identity) if action != "off" else None
            looked_at = seen(call, run.name) if run is not None else None
            if run is not None and looked_at is not None:
                with self._lock:
                    found = self._runaways.see(looked_at)
                for each in found:
                    self._found(run, each, action)

    def _found(self, run: Run, finding: Finding, action: Action) -> None:
        """Say what was seen, and take it down. Runs on the recorder's thread."""
        runaway = Runaway(run.name, finding.kind, finding.at, finding.words, run.look, action)
        try:
            self._file.add(runaway)
        except (sqlite3.Error, OSError) as error:
            # What nobody can let go on again must not be held.
            log.warning("llmitm: runaways cannot be kept, none is held: %s", error)
            runaway = runaway._replace(action="warn")
        then = ""
        if runaway.action == "hold":
            then = f"; its calls wait until: llmitm resume {shlex.quote(run.name)}"
        log.warning(
            "llmitm: runaway? %s %s; to look: llmitm ls %s%s",
            run.name,
            finding.words,
            run.look,
            then,
        )
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._flag, runaway)

    @guarded
    def _flag(self, found: Runaway) -> None:
        """Hold a run's next calls, or have them say so. Runs on the loop."""
        known = self._flags.get(found.run)
        if known is not None and known.is_held:
            return
        is_held = found.action == "hold"
        self._flags[found.run] = _Flag(found.run, found.words, found.at, is_held)
        if is_held and (self._poller is None or self._poller.done()):
            self._poller = asyncio.get_running_loop().create_task(self._poll())

    async def _poll(self) -> None:
        """Let runs go on of which the file says that they may, as long as any is held."""
        while held := [flag for flag in self._flags.values() if flag.is_held]:
            await asyncio.sleep(_POLL_SECONDS)
            found = await asyncio.to_thread(self._holds)
            names = {each.run for each in found or ()}
            for flag in held:
                if flag.run not in names:
                    await asyncio.to_thread(self._forgive, flag.run)
                    del self._flags[flag.run]
                    flag.goes_on.set()
                    log.warning("llmitm: %s goes on", flag.run)

    def _holds(self) -> Sequence[Runaway] | None:
        """Return the runs that are held; None where that cannot be read."""
        try:
            return self._file.holds(self._clock())
        except (sqlite3.Error, OSError) as error:
            log.warning("llmitm: runaways cannot be read, none is held: %s", error)
            return None

    def _forgive(self, run: str) -> None:
        with self._lock:
            self._runaways.forgive(run)

    async def _enter(self, flow: http.HTTPFlow) -> None:
        flight = flight_of(flow)
        if flight is None or flow.response is not None:
            return
        action = flight.directives.runaway or self._settings.action
        if action != self._settings.action:
            with self._lock:
                self._own[flight.exchange.id] = action
                if len(self._own) > _MOST_OPEN:
                    del self._own[next(iter(self._own))]
        if not self._flags or action == "off" or flight.endpoint.operation in _NOT_HELD:
            return
        name = await self._run(flight, passes=bool(flow.request.stream))
        flag = self._flags.get(name) if name is not None else None
        if flag is None:
            return
        if not flag.is_held and not 0 <= self._clock() - flag.at < AGAIN_SECONDS:
            self._flags.pop(flag.run, None)
            return
        flow.metadata[_SAID] = f"the run {flag.words}"
        if not flag.is_noted:
            flag.is_noted = True
            flight.exchange.notes.append(f"runaway? the run {flag.words}")
        if not flag.is_held:
            self._flags.pop(
                flag.run, None
            )  # while there is any, every call has to be told whose it is
        if flag.is_held and action == "hold":
            await self._hold(flow, flight, flag)

    async def _hold(self, flow: http.HTTPFlow, flight: Flight, flag: _Flag) -> None:
        """Have a call wait until its run may go on, its client is gone, or it has waited long enough."""
        came = time.monotonic()
        longest = self._settings.hold_seconds
        self._waiting += 1
        try:
            while not flag.goes_on.is_set():
                left = came + longest - time.monotonic()
                if left <= 0 or not flow.client_conn.connected:
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(flag.goes_on.wait(), min(_LOOK_SECONDS, left))
        finally:
            self._waiting -= 1
        held = f"held {time.monotonic() - came:.1f} s, for the run {flag.words}"
        if flag.goes_on.is_set():
            flow.metadata.pop(_SAID, None)
            flight.exchange.notes.append(held)
        elif flow.client_conn.connected and self._settings.then == "go":
            flight.exchange.notes.append(f"{held}; sent all the same")
        else:
            flight.exchange.notes.append(held)
            await _refuse(flow, flight, flag)

    async def _run(self, flight: Flight, *, passes: bool) -> str | None:
        """Return the name of a call's run, as the recorder will know it."""
        exchange = flight.exchange
        if run_id := exchange.tags.get("run_id"):
            told = run_of(Identity(run_id=run_id))
            return told.name if told is not None else None
        prompt = Prompt() if passes else flight.prompt

        def identified() -> Run | None:
            known = read_prompt(exchange, flight.endpoint) if prompt is None else prompt
            caller = exchange.caller() if exchange.caller is not None else {}
            secrets = spellings(credentials(exchange))
            found = identify(exchange, known, caller)
            return run_of(changed(found, lambda text: self._redactor.text(text, secrets)))

        run = await asyncio.to_thread(identified)
        return run.name if run is not None else None


async def _refuse(flow: http.HTTPFlow, flight: Flight, flag: _Flag) -> None:
    exchange, program = flight.exchange, None
    if exchange.caller is not None:
        program = (await asyncio.to_thread(exchange.caller)).get(PROPERTIES["program"])
    message = f"llmitm: {flag.run} is held, for it {flag.words}; llmitm resume {shlex.quote(flag.run)} lets it go on"
    budget_refusals.refuse(flow, flight, message, program, ERROR_TYPE)
