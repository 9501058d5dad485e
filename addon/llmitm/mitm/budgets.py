"""Hold calls to the user's budgets: reserve before a call goes out, settle when it is in the log.

Stands after the cache, whose answers cost nothing, and before the attempts. A call that does not fit is refused in its
provider's own form, or sent to another model; one that others' reservations alone keep out waits for them.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mitmproxy import http

from llmitm import budget_book, budgeting
from llmitm.budgeting import Meter, Outputs
from llmitm.callers import PROPERTIES
from llmitm.calls import Exchange, Finished, Prompt
from llmitm.estimate import Estimator
from llmitm.home import Home
from llmitm.mitm import budget_refusals
from llmitm.mitm.cutting import CutTee
from llmitm.mitm.flights import Flight, flight_of
from llmitm.mitm.guard import guarded, note_fault
from llmitm.mitm.warned import Warned
from llmitm.policy import budget_words
from llmitm.policy.budget_words import State
from llmitm.policy.budgets import Budgets, Held
from llmitm.policy.cutting import StreamCut, can_be_cut
from llmitm.policy.directives import FallbackTarget
from llmitm.readers import encodings
from llmitm.reading import read_prompt
from llmitm.settings import Settings
from llmitm.store.ledger import Account, Busy, Crossing, Ledger, Settlement
from llmitm_pricing import PriceTable

log = logging.getLogger("llmitm")

type Retarget = Callable[[http.HTTPFlow, Flight, FallbackTarget], Awaitable[str | None]]

_RESERVED = "llmitm_budgets"
HEADER = "X-llmitm-Budget"
_READ_HERE = 64 * 1024
_FAILED = 400
_LOOK_SECONDS = 0.25
"""How often a call that waits looks whether another proxy has settled something."""
_RECOVER_SECONDS = 5.0
_MOST_UNSETTLED = 100_000
_MOST_ACCOUNTS = 10_000
_FEWEST_TOKENS = 16
"""An answer that would be cut before that is not begun."""
_CALLER_PROPERTIES = frozenset(name.lower() for name in PROPERTIES.values())


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
    """Reserve, refuse, settle and warn."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        prices: Callable[[], PriceTable],
        retarget: Retarget,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = home.budgets
        self._database = home.database
        self._settings = settings
        self._prices = prices
        self._retarget = retarget
        self._estimator = Estimator(encodings(home))
        self._clock = clock
        self._zone = budget_book.zone(settings)
        self._budgets = Budgets(settings.budget)
        self._number = -1
        self._ledger: Ledger | None = None
        self._accounts: dict[tuple[str, str], Account] = {}
        self._outputs = Outputs(settings.budgets.answer_tokens)
        self._loaded: tuple[PriceTable, set[str]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._unsettled: deque[Settlement] = deque(maxlen=_MOST_UNSETTLED)
        self._recover_at = float("-inf")
        self._opening = asyncio.Lock()
        self._warned = Warned()
        self.crossings: deque[Crossing] = deque(maxlen=1_000)
        """What has been warned of, the latest last."""

    # On the event loop.

    @guarded
    def running(self) -> None:
        """Take note of the loop on which calls wait."""
        self._loop = asyncio.get_running_loop()

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
        if reserved is None or reserved.amount is None or flight is None or self._ledger is None:
            return True
        try:
            is_free = failed.status >= _FAILED if failed.status is not None else not _was_sent(flow)
            give_back = self._ledger.release if is_free else self._ledger.doubt
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
        if reserved is None or flow.response is None or self._ledger is None:
            return
        if states := self._states(reserved.accounts):
            fullest = max(states, key=lambda state: state.percent)
            told = f"{fullest.held.budget.name} {fullest.percent}%"
            flow.response.headers[HEADER] = told
        flight = flight_of(flow)
        if flight is not None and reserved.meter is not None:
            self._cut(flow, flight, reserved)

    @guarded
    async def error(self, flow: http.HTTPFlow) -> None:
        """Give back what was reserved for a call that was never sent."""
        reserved: _Reserved | None = flow.metadata.get(_RESERVED)
        if reserved is None or reserved.amount is None or self._ledger is None:
            return
        if not _was_sent(flow):
            await asyncio.to_thread(self._ledger.release, reserved.call_id)
            self._wake()

    async def _decide(self, flow: http.HTTPFlow, flight: Flight, *, is_whole: bool) -> None:
        if not await self._current():
            return
        prompt = await self._prompt(flight) if is_whole else Prompt()
        exchange, endpoint = flight.exchange, flight.endpoint
        if "upgrade" not in flow.request.headers and budgeting.is_free(endpoint, exchange, prompt):
            return
        if is_whole:
            await self._reserve(flow, flight, prompt, set())
            return
        accounts = await self._holding(flight, prompt)
        full = [each for each in self._states(accounts) if _stops(each) and _is_empty(each)]
        if full:
            await self._refuse(
                flow, flight, budget_words.refusal(full, 0, self._clock(), self._zone)
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
        accounts = await self._holding(flight, prompt)
        if not accounts:
            return True
        amount = await self._most(flight, prompt)
        if amount is None:
            strict = [each for each in accounts if each.held.budget.unpriced == "block"]
            strict = [each for each in strict if each.held.budget.on_limit != "warn"]
            if strict:
                states = self._states(strict)
                now = self._clock()
                message = budget_words.refusal(states, 0, now, self._zone, "unpriced")
                await self._refuse(flow, flight, message, is_first=is_first)
                return False
            amount = _unpriced(accounts)
            flight.exchange.notes.append("its price is not known, for its budgets it counts as set")
        wanted = _Reserved(flight.exchange.id, accounts, amount, unlimited, is_first=is_first)
        if any(each.held.budget.cut_streams for each in accounts):
            wanted.meter = await self._meter(flow, flight, prompt)
        return await self._take(flow, flight, prompt, wanted)

    async def _take(
        self, flow: http.HTTPFlow, flight: Flight, prompt: Prompt, wanted: _Reserved
    ) -> bool:
        """Take what is wanted; wait where what others have reserved is all that is in the way."""
        until = time.monotonic() + self._settings.budgets.wait_seconds
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
            states = [each for each in self._states(wanted.accounts) if _stops(each)]
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
                if await self._is_shortened(flow, flight, prompt, wanted, states):
                    continue
                return await self._at_limit(flow, flight, wanted, full)
            await self._settled(min(left, _LOOK_SECONDS))

    async def _is_shortened(
        self,
        flow: http.HTTPFlow,
        flight: Flight,
        prompt: Prompt,
        wanted: _Reserved,
        states: Sequence[State],
    ) -> bool:
        """Reserve what is left for a stream that is cut there, if all that have too little left say so."""
        amount = wanted.amount or 0
        short = [each for each in states if each.spent + each.reserved + amount > each.limit]
        if not all(each.held.budget.cut_streams for each in short) or wanted.meter is None:
            return False
        left = min((each.limit - each.spent - each.reserved for each in short), default=0)
        if left < wanted.meter.cost(_FEWEST_TOKENS) or left >= amount:
            return False
        wanted.amount = left
        return True

    async def _meter(self, flow: http.HTTPFlow, flight: Flight, prompt: Prompt) -> Meter | None:
        """Return what a stream costs that can be cut."""
        endpoint = flight.endpoint
        if not (prompt.streaming or endpoint.streams) or not can_be_cut(endpoint.dialect):
            return None
        flow.request.headers["accept-encoding"] = "identity"  # what is compressed cannot be cut
        return await asyncio.to_thread(
            budgeting.meter, flight.exchange, endpoint, prompt, self._prices()
        )

    def _cut(self, flow: http.HTTPFlow, flight: Flight, reserved: _Reserved) -> None:
        """Put what cuts it behind the tap on a stream."""
        response, dialect, meter = flow.response, flight.endpoint.dialect, reserved.meter
        assert response is not None
        kind: str = response.headers.get("content-type", "")
        if meter is None or dialect is None or "event-stream" not in kind.lower():
            return
        if not callable(response.stream) or "content-encoding" in response.headers:
            return

        def may_go_on(tokens: int) -> bool:
            return self._may_go_on(reserved, meter.cost(tokens))

        def on_cut(tokens: int) -> None:
            flight.exchange.notes.append(f"cut after about {tokens} tokens: its budget is used up")

        cut = StreamCut(dialect, budgeting.text_tokens, may_go_on)
        response.stream = CutTee(flow, response.stream, cut, on_cut)
        if response.headers.pop("content-length", None) is not None and response.is_http11:
            response.headers["transfer-encoding"] = "chunked"

    def _may_go_on(self, reserved: _Reserved, cost: int) -> bool:
        """Tell whether a stream that has come to cost so much may go on, where there is more for it."""
        assert reserved.amount is not None
        if cost <= reserved.amount:
            return True
        if self._ledger is None:
            return True
        with suppress(Busy):
            for amount in (cost + cost // 4, cost):
                if self._ledger.extend(reserved.call_id, amount):
                    reserved.amount = amount
                    return True
        return False

    async def _at_limit(
        self, flow: http.HTTPFlow, flight: Flight, wanted: _Reserved, full: Sequence[State]
    ) -> bool:
        """Send a call elsewhere, if all budgets that are used up say so, or refuse it."""
        await self._recover()
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
        message = budget_words.refusal(full, amount, self._clock(), self._zone)
        await self._refuse(flow, flight, message, is_first=wanted.is_first)
        return False

    async def _try(self, wanted: _Reserved, at: float) -> bool:
        assert self._ledger is not None
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
            return self._ledger.reserve(wanted.call_id, limits, amount, at)
        except Busy:
            return await asyncio.to_thread(
                self._ledger.reserve_slowly, wanted.call_id, limits, amount, at
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

    async def _settled(self, seconds: float) -> None:
        """Wait until something has been settled, at most so long."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        with suppress(TimeoutError):
            await asyncio.wait_for(future, seconds)
        self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _states(self, accounts: Sequence[Account]) -> list[State]:
        assert self._ledger is not None
        uses = self._ledger.uses([each.id for each in accounts])
        return [
            State(each.held, *uses[each.id], each.window) for each in accounts if each.id in uses
        ]

    async def _holding(self, flight: Flight, prompt: Prompt) -> list[Account]:
        """Return the accounts of the budgets that hold for a call."""
        exchange = flight.exchange
        caller = {}
        if exchange.caller is not None and not _CALLER_PROPERTIES.isdisjoint(
            self._budgets.property_names()
        ):
            caller = dict(await asyncio.to_thread(exchange.caller))
        who = budgeting.who(exchange, flight.endpoint, prompt, caller)
        # By when it began: so a call belongs to the same day before it is made and in the log.
        at = exchange.started_at
        found = []
        for held in self._budgets.holding(who):
            key = held.budget.identity, held.value
            known = self._accounts.get(key)
            if known is None or not known.window.start <= at < known.window.end:
                known = await self._account(held, at)
                if len(self._accounts) >= _MOST_ACCOUNTS:
                    self._accounts.clear()
                self._accounts[key] = known
            elif known.held is not held:
                known = known._replace(held=held)  # its limit may be another one by now
            found.append(known)
        return found

    async def _account(self, held: Held, at: float) -> Account:
        assert self._ledger is not None
        window = held.budget.period.window(at, self._zone)
        return await asyncio.to_thread(self._ledger.account, held, window)

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
        likely = self._outputs.likely(prompt.model or flight.endpoint.model)
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
        likely = self._outputs.likely(prompt.model or flight.endpoint.model)
        found = await asyncio.to_thread(
            budgeting.most,
            *(flight.exchange, flight.endpoint, prompt, likely, table, self._estimator),
        )
        return found if found is not None and found < amount else None

    # The definitions.

    async def _current(self) -> bool:
        """Take up the budgets as they are now; return whether there are any."""
        if self._ledger is None:
            if not self._settings.budget and not self._path.exists():
                return False
            async with self._opening:
                if self._ledger is None:
                    self._ledger = await asyncio.to_thread(Ledger, self._path, self._database)
                    await self._recover()
        number = self._ledger.number()
        if number != self._number:
            made = await asyncio.to_thread(self._ledger.definitions)
            budgets, faults = budget_book.read(self._settings, made)
            self._budgets, self._number = Budgets(budgets), number
            self._warned.warn(
                f"the budget {name} does not hold: {fault}" for name, fault in faults.items()
            )
        return bool(self._budgets)

    async def _recover(self) -> None:
        """Settle what dead proxies have left, not too often."""
        now = time.monotonic()
        if self._ledger is not None and now >= self._recover_at:
            self._recover_at = now + _RECOVER_SECONDS
            await asyncio.to_thread(self._ledger.recover)

    # On the recorder's thread.

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Settle calls that are in the log now. Does not raise."""
        ledger, budgets = self._ledger, self._budgets
        if ledger is None:
            return
        try:
            for call in batch:
                self._outputs.learn(call)
                self._unsettled.append(_settlement(call, budgets))
            while self._unsettled:
                some = [*self._unsettled]
                crossings = ledger.settle(some, budgets.defined)
                for _ in some:
                    self._unsettled.popleft()
                for crossing in crossings:
                    self._warn(crossing)
        except sqlite3.Error as error:
            self._warned.warn([f"budgets cannot be settled now, and wait: {error}"])
        except Exception:
            note_fault("BudgetKeeper.recorded")
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _warn(self, crossing: Crossing) -> None:
        self.crossings.append(crossing)
        assert self._ledger is not None
        state = State(crossing.held, *crossing.use, crossing.window)
        told = budget_book.outlook(self._ledger, state, self._clock())
        log.warning("llmitm: %s", budget_words.warning(state, crossing.percent, told))

    def budget_use(self) -> list[State]:
        """Return all accounts that are in use, for alerts. For threads."""
        if self._ledger is None:
            return []
        return budget_book.states(self._ledger, self._budgets.defined, self._clock(), self._zone)

    def close(self) -> None:
        """Close the accounts, when the log has been written out."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


class BudgetsClosing:
    """The end of the budgets: comes after the end of the log, whose last calls are still settled."""

    def __init__(self, keeper: BudgetKeeper) -> None:
        self._keeper = keeper

    @guarded
    async def done(self) -> None:
        """Close the accounts."""
        await asyncio.to_thread(self._keeper.close)


def _settlement(call: Finished, budgets: Budgets) -> Settlement:
    turn = call.exchange.turn
    holding = budgets.holding(budgeting.who_made(call)) if budgets else []
    return Settlement(
        call.exchange.id,
        call.key,
        call.exchange.started_at,
        budgeting.cost(call),
        holding,
        is_unpriced=turn is not None or not budgeting.is_unanswered(call),
    )


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
