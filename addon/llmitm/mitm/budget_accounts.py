"""The budgets that hold now and their accounts, as the proxy uses them: on its event loop, and on the recorder's thread."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

from llmitm import budget_book, budgeting
from llmitm.budgeting import Outputs
from llmitm.callers import PROPERTIES
from llmitm.calls import Finished, Prompt
from llmitm.home import Home
from llmitm.mitm.flights import Flight
from llmitm.mitm.guard import guarded, note_fault
from llmitm.mitm.warned import Warned
from llmitm.policy import budget_words
from llmitm.policy.budget_words import State
from llmitm.policy.budgets import Budgets, Held
from llmitm.settings import Settings
from llmitm.store.accounts import Account, Crossing, Settlement
from llmitm.store.ledger import Ledger

log = logging.getLogger("llmitm")

_RECOVER_SECONDS = 5.0
_MOST_UNSETTLED = 100_000
_MOST_ACCOUNTS = 10_000
_CALLER_PROPERTIES = frozenset(name.lower() for name in PROPERTIES.values())


class BudgetAccounts:
    """Know the budgets, find accounts, settle and warn. Nothing is opened while there is no budget."""

    def __init__(self, home: Home, settings: Settings, clock: Callable[[], float]) -> None:
        self._path = home.budgets
        self._database = home.database
        self._settings = settings
        self.clock = clock
        self.zone = budget_book.zone(settings)
        self.outputs = Outputs(settings.budgets.answer_tokens)
        self.crossings: deque[Crossing] = deque(maxlen=1_000)
        """What has been warned of, the latest last."""
        self._budgets = Budgets(settings.budget)
        self._number = -1
        self._ledger: Ledger | None = None
        self._accounts: dict[tuple[str, str], Account] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._unsettled: deque[Settlement] = deque(maxlen=_MOST_UNSETTLED)
        self._recover_at = float("-inf")
        self._opening = asyncio.Lock()
        self._warned = Warned()

    @property
    def ledger(self) -> Ledger:
        """The accounts; they are open once `current` has found a budget."""
        assert self._ledger is not None
        return self._ledger

    async def current(self) -> bool:
        """Take up the budgets as they are now; return whether there are any."""
        if self._ledger is None:
            if not self._settings.budget and not self._path.exists():
                return False
            async with self._opening:
                if self._ledger is None:
                    self._ledger = await asyncio.to_thread(Ledger, self._path, self._database)
                    await self.recover()
        number = self._ledger.number()
        if number != self._number:
            made = await asyncio.to_thread(self._ledger.definitions)
            budgets, faults = budget_book.read(self._settings, made)
            self._budgets, self._number = Budgets(budgets), number
            self._warned.warn(
                f"the budget {name} does not hold: {fault}" for name, fault in faults.items()
            )
        return bool(self._budgets)

    async def recover(self) -> None:
        """Settle what dead proxies have left, not too often."""
        now = time.monotonic()
        if self._ledger is not None and now >= self._recover_at:
            self._recover_at = now + _RECOVER_SECONDS
            await asyncio.to_thread(self._ledger.recover)

    def states(self, accounts: Sequence[Account]) -> list[State]:
        """Return how accounts stand."""
        uses = self.ledger.uses([each.id for each in accounts])
        return [
            State(each.held, *uses[each.id], each.window) for each in accounts if each.id in uses
        ]

    async def holding(self, flight: Flight, prompt: Prompt) -> list[Account]:
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
        window = held.budget.period.window(at, self.zone)
        return await asyncio.to_thread(self.ledger.account, held, window)

    async def settled(self, seconds: float) -> None:
        """Wait until something has been settled, at most so long."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        with suppress(TimeoutError):
            await asyncio.wait_for(future, seconds)
        self._waiting.discard(future)

    def wake(self) -> None:
        """Let calls that wait look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    # On the recorder's thread.

    def recorded(self, batch: Sequence[Finished]) -> None:
        """Settle calls that are in the log now. Does not raise."""
        ledger, budgets = self._ledger, self._budgets
        if ledger is None:
            return
        try:
            for call in batch:
                self.outputs.learn(call)
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
            note_fault("BudgetAccounts.recorded")
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(self.wake)

    def _warn(self, crossing: Crossing) -> None:
        self.crossings.append(crossing)
        assert self._ledger is not None
        state = State(crossing.held, *crossing.use, crossing.window)
        told = budget_book.outlook(self._ledger, state, self.clock())
        log.warning("llmitm: %s", budget_words.warning(state, crossing.percent, told))

    def budget_use(self) -> list[State]:
        """Return all accounts that are in use. For threads; may take a while."""
        if self._ledger is None:
            return []
        return budget_book.states(self._ledger, self._budgets.defined, self.clock(), self.zone)

    def use_in_usd(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Return how far each budget is used, for alerts. For threads."""
        return budget_book.use(self.budget_use())

    def close(self) -> None:
        """Close the accounts, when the log has been written out."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


class BudgetsClosing:
    """The end of the budgets: comes after the end of the log, whose last calls are still settled."""

    def __init__(self, accounts: BudgetAccounts) -> None:
        self._accounts = accounts

    @guarded
    async def done(self) -> None:
        """Close the accounts."""
        await asyncio.to_thread(self._accounts.close)


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
