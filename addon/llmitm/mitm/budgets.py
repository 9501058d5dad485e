"""Hold calls to the user's budgets: reserve before a call goes out, settle when it is in the log.

Stands after the cache, whose answers cost nothing, and before the attempts. A call that does not fit is refused in its
provider's own form, or sent to another model; one that others' reservations alone keep out waits for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mitmproxy import http

from llmitm import budgeting
from llmitm.budgeting import Meter
from llmitm.callers import PROPERTIES
from llmitm.calls import Exchange, Prompt
from llmitm.estimate import Estimator
from llmitm.home import Home
from llmitm.mitm import budget_refusals, budget_streams
from llmitm.mitm.budget_accounts import BudgetAccounts
from llmitm.mitm.flights import Flight, Retarget, flight_of
from llmitm.mitm.guard import guarded, note_fault
from llmitm.policy import budget_words
from llmitm.policy.budget_words import State
from llmitm.policy.directives import FallbackTarget
from llmitm.readers import encodings
from llmitm.reading import read_prompt
from llmitm.settings import Settings
from llmitm.store.accounts import Account
from llmitm.store.ledger_file import Busy
from llmitm_pricing import PriceTable

_RESERVED = "llmitm_budgets"
HEADER = "X-llmitm-Budget"
_READ_HERE = 64 * 1024
_FAILED = 400
_LOOK_SECONDS = 0.25
"""How often a call that waits looks whether another proxy has settled something."""
_FEWEST_TOKENS = 16
"""An answer that would be cut before that is not begun."""


@dataclass(slots=True)
class _Reserved:
    """What holds for a call."""

    call_id: str
    accounts: Sequence[Account]
    amount: int | None
    """Nano-dollars; None where nothing is reserved, and the call is settled only."""
    unlimited: set[str] = field(default_factory=set)
    """Names of the budgets that do not stop it any more, since it goes to their fallback."""
    is_first: bool = True
    """False for an attempt after the first."""
    meter: Meter | None = None
    """What a stream costs that is cut where its budget ends."""


class BudgetKeeper:
    """Reserve, and refuse."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        prices: Callable[[], PriceTable],
        retarget: Retarget,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.accounts = BudgetAccounts(home, settings, clock)
        self._wait_seconds = settings.budgets.wait_seconds
        self._prices = prices
        self._retarget = retarget
        self._estimator = Estimator(encodings(home))
        self._loaded: tuple[PriceTable, set[str]] | None = None

    @guarded
    def running(self) -> None:
        """Take note of the loop on which calls wait."""
        self.accounts.loop = asyncio.get_running_loop()

    @guarded
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on a call whose body passes as it comes: it goes on unless a budget is used up already."""
        flight = flight_of(flow)
        if flight is not None and flow.response is None and flow.request.stream:
            await self._decide(flow, flight, is_whole=False)

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Reserve what a call may cost, or refuse it."""
        flight = flight_of(flow)
        if flight is not None and flow.response is None and not flow.request.stream:
            is_socket = "upgrade" in flow.request.headers
            await self._decide(flow, flight, is_whole=not is_socket)

    async def reserve_again(self, flow: http.HTTPFlow, failed: Exchange) -> bool:
        """Reserve anew for an attempt after one that failed, as its request now is; return whether it may go out.

        What was sent and not answered may have been charged, and counts as it was reserved.
        """
        reserved: _Reserved | None = flow.metadata.get(_RESERVED)
        flight = flight_of(flow)
        if reserved is None or reserved.amount is None or flight is None:
            return True
        try:
            is_free = failed.status >= _FAILED if failed.status is not None else not _was_sent(flow)
            give_back = self.accounts.ledger.release if is_free else self.accounts.ledger.doubt
            await asyncio.to_thread(give_back, reserved.call_id)
            prompt = await self._prompt(flight)
            return await self._reserve(flow, flight, prompt, reserved.unlimited, is_first=False)
        except Exception:
            note_fault("BudgetKeeper.reserve_again")
            return True

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tell the client how much of the fullest budget is spent."""
        reserved: _Reserved | None = flow.metadata.get(_RESERVED)
        if reserved is None or flow.response is None:
            return
        if states := self.accounts.states(reserved.accounts):
            fullest = max(states, key=lambda state: state.percent)
            told = f"{fullest.held.budget.name} {fullest.percent}%"
            flow.response.headers[HEADER] = told
        flight = flight_of(flow)
        if flight is not None and reserved.meter is not None and reserved.amount is not None:
            ledger, call_id = self.accounts.ledger, reserved.call_id
            reserve = budget_streams.Reserve(ledger, call_id, reserved.amount, reserved.meter)
            budget_streams.watch(flow, flight, reserve)

    @guarded
    async def error(self, flow: http.HTTPFlow) -> None:
        """Give back what was reserved for a call that was never sent."""
        reserved: _Reserved | None = flow.metadata.get(_RESERVED)
        if reserved is None or reserved.amount is None:
            return
        if not _was_sent(flow):
            await asyncio.to_thread(self.accounts.ledger.release, reserved.call_id)
            self.accounts.wake()

    async def _decide(self, flow: http.HTTPFlow, flight: Flight, *, is_whole: bool) -> None:
        if not await self.accounts.current():
            return
        prompt = await self._prompt(flight) if is_whole else Prompt()
        exchange, endpoint = flight.exchange, flight.endpoint
        if "upgrade" not in flow.request.headers and budgeting.is_free(endpoint, exchange, prompt):
            return
        if is_whole:
            await self._reserve(flow, flight, prompt, set())
            return
        accounts = await self.accounts.holding(flight, prompt)
        full = [each for each in self.accounts.states(accounts) if _stops(each) and _is_empty(each)]
        if full:
            await self._refuse(
                flow,
                flight,
                budget_words.refusal(full, 0, self.accounts.clock(), self.accounts.zone),
            )
        else:
            flow.metadata[_RESERVED] = _Reserved(exchange.id, accounts, None)

    async def _reserve(
        self,
        flow: http.HTTPFlow,
        flight: Flight,
        prompt: Prompt,
        unlimited: set[str],
        *,
        is_first: bool = True,
    ) -> bool:
        """Reserve; return whether the call may go out. Where it may not, it has been refused.

        An attempt after the first is not refused: what failed before it then passes.
        """
        accounts = await self.accounts.holding(flight, prompt)
        if not accounts:
            return True
        amount = await self._most(flight, prompt)
        if amount is None:
            strict = [each for each in accounts if each.held.budget.unpriced == "block"]
            strict = [each for each in strict if each.held.budget.on_limit != "warn"]
            if strict:
                states = self.accounts.states(strict)
                now = self.accounts.clock()
                message = budget_words.refusal(states, 0, now, self.accounts.zone, "unpriced")
                await self._refuse(flow, flight, message, is_first=is_first)
                return False
            amount = _unpriced(accounts)
            flight.exchange.notes.append("its price is not known, for its budgets it counts as set")
        wanted = _Reserved(flight.exchange.id, accounts, amount, unlimited, is_first=is_first)
        if any(each.held.budget.cut_streams for each in accounts):
            wanted.meter = await budget_streams.meter(
                flow, flight, prompt, self._prices(), self._estimator
            )
        return await self._take(flow, flight, prompt, wanted)

    async def _take(
        self, flow: http.HTTPFlow, flight: Flight, prompt: Prompt, wanted: _Reserved
    ) -> bool:
        """Take what is wanted; wait where what others have reserved is all that is in the way."""
        until = time.monotonic() + self._wait_seconds
        is_tight = False
        while True:
            assert wanted.amount is not None
            if await self._try(wanted, flight.exchange.started_at):
                flow.metadata[_RESERVED] = wanted
                return True
            if not is_tight:
                is_tight = True
                if (counted := await self._counted(flight, prompt, wanted.amount)) is not None:
                    wanted.amount = counted
                    continue
            states = [each for each in self.accounts.states(wanted.accounts) if _stops(each)]
            states = [each for each in states if each.held.budget.name not in wanted.unlimited]
            full = [each for each in states if each.spent + wanted.amount > each.limit]
            left = until - time.monotonic()
            if full or left <= 0:
                full = full or [
                    each
                    for each in states
                    if each.spent + each.reserved + wanted.amount > each.limit
                ]
                if not full:
                    continue  # something was settled in between
                if _is_shortened(wanted, states):
                    continue
                return await self._at_limit(flow, flight, wanted, full)
            await self.accounts.settled(min(left, _LOOK_SECONDS))

    async def _at_limit(
        self, flow: http.HTTPFlow, flight: Flight, wanted: _Reserved, full: Sequence[State]
    ) -> bool:
        """Send a call elsewhere, if all budgets that are used up say so, or refuse it."""
        await self.accounts.recover()
        models = [each.held.budget.fallback for each in full]
        model = models[0] if all(models) and wanted.is_first else None
        if model is not None:
            refused = await self._retarget(flow, flight, FallbackTarget(model=model))
            if refused is None:
                name = full[0].held.budget.name
                flight.exchange.notes.append(f"sent to {model}: the budget {name} is used up")
                names = wanted.unlimited | {each.held.budget.name for each in full}
                return await self._reserve(flow, flight, await self._prompt(flight), names)
            flight.exchange.notes.append(f"not sent to {model}: {refused}")
        amount = wanted.amount or 0
        message = budget_words.refusal(full, amount, self.accounts.clock(), self.accounts.zone)
        await self._refuse(flow, flight, message, is_first=wanted.is_first)
        return False

    async def _try(self, wanted: _Reserved, at: float) -> bool:
        limits = [
            (
                each.id,
                None
                if each.held.budget.on_limit == "warn" or each.held.budget.name in wanted.unlimited
                else each.held.budget.limit_nanousd,
            )
            for each in wanted.accounts
        ]
        amount = wanted.amount or 0
        try:
            return self.accounts.ledger.reserve(wanted.call_id, limits, amount, at)
        except Busy:
            return await asyncio.to_thread(
                self.accounts.ledger.reserve_slowly, wanted.call_id, limits, amount, at
            )

    async def _refuse(
        self, flow: http.HTTPFlow, flight: Flight, message: str, *, is_first: bool = True
    ) -> None:
        flow.metadata.pop(_RESERVED, None)
        if not is_first:
            flight.exchange.notes.append(f"not tried again: {message.removeprefix('llmitm: ')}")
            return
        caller: Mapping[str, str] = {}
        if flight.exchange.caller is not None:
            caller = await asyncio.to_thread(flight.exchange.caller)
        budget_refusals.refuse(flow, flight, message, caller.get(PROPERTIES["program"]))

    async def _prompt(self, flight: Flight) -> Prompt:
        exchange, endpoint = flight.exchange, flight.endpoint
        if len(exchange.request_body) > _READ_HERE:
            return await asyncio.to_thread(read_prompt, exchange, endpoint)
        return read_prompt(exchange, endpoint)

    async def _most(self, flight: Flight, prompt: Prompt) -> int | None:
        """Return the most that a call may cost; price files are read by a thread."""
        table, provider = self._prices(), flight.endpoint.provider
        if self._loaded is None or self._loaded[0] is not table:
            self._loaded = table, set()
        likely = self.accounts.outputs.likely(prompt.model or flight.endpoint.model)
        arguments = (flight.exchange, flight.endpoint, prompt, likely, table)
        loaded = self._loaded[1]
        if provider in loaded and len(flight.exchange.request_body) <= _READ_HERE:
            return budgeting.most(*arguments)
        found = await asyncio.to_thread(budgeting.most, *arguments)
        loaded.add(provider)
        return found

    async def _counted(self, flight: Flight, prompt: Prompt, amount: int) -> int | None:
        """Return the most that a call may cost with its text counted, where that is less."""
        table = self._prices()
        likely = self.accounts.outputs.likely(prompt.model or flight.endpoint.model)
        found = await asyncio.to_thread(
            budgeting.most,
            *(flight.exchange, flight.endpoint, prompt, likely, table, self._estimator),
        )
        return found if found is not None and found < amount else None


def _is_shortened(wanted: _Reserved, states: Sequence[State]) -> bool:
    """Want what is left for a stream that is cut there, if all that have too little left say so."""
    amount = wanted.amount or 0
    short = [each for each in states if each.spent + each.reserved + amount > each.limit]
    if not all(each.held.budget.cut_streams for each in short) or wanted.meter is None:
        return False
    left = min((each.limit - each.spent - each.reserved for each in short), default=0)
    if left < wanted.meter.cost(_FEWEST_TOKENS) or left >= amount:
        return False
    wanted.amount = left
    return True


def _stops(state: State) -> bool:
    return state.held.budget.on_limit != "warn"


def _is_empty(state: State) -> bool:
    return state.spent + state.reserved >= state.limit


def _unpriced(accounts: Sequence[Account]) -> int:
    """Return what a call without a price counts as: the most that a budget says."""
    rules = [each.held.budget.unpriced for each in accounts]
    return max([0, *(int(rule * 10**9) for rule in rules if not isinstance(rule, str))])


def _was_sent(flow: http.HTTPFlow) -> bool:
    """Tell whether there was a connection by which a call may have gone out."""
    server = flow.server_conn
    if server.timestamp_tcp_setup is None:
        return False
    return flow.request.scheme != "https" or server.timestamp_tls_setup is not None
