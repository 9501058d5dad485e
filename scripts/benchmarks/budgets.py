"""What a call's budgets cost before it goes out, on the event loop: looked up, reserved, and all of it together.

`scripts/bench budgets`. Settling is done on the recorder's thread.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mitmproxy.test import tflow

from llmitm import budgeting
from llmitm.calls import Exchange
from llmitm.home import Home
from llmitm.mitm.budgets import BudgetKeeper
from llmitm.mitm.flights import Flight, depart
from llmitm.policy.budgets import Budget, Budgets
from llmitm.providers.hosts import load
from llmitm.reading import read_prompt
from llmitm.settings import Settings
from llmitm.store.ledger import Ledger
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable

_CALLS, _ROUNDS = 1_000, 7
_BODY = b'{"model":"gpt-4o-mini","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}'
_HOSTS, _PRICES = load(), PriceTable.load()


def main() -> int:
    """Measure and print."""
    print(f"{'':44}{'µs a call, least of ' + str(_ROUNDS):>28}")
    for title, holding, others in (
        ("nothing defined", 0, 0),
        ("1 budget", 1, 0),
        ("100 budgets, 1 holds", 1, 99),
        ("100 budgets, 3 hold", 3, 97),
        ("100 budgets, all hold", 100, 0),
    ):
        with tempfile.TemporaryDirectory() as folder:
            budgets = _budgets(holding, others)
            whole = asyncio.run(_whole(Home(Path(folder)), budgets))
            print(f"{title:44}{whole:28.1f}   the whole hook")
            if budgets:
                looked_up, reserved = _parts(Path(folder), budgets)
                print(f"{'':44}{looked_up:28.1f}   of it: looked up which hold")
                print(f"{'':44}{reserved:28.1f}   of it: reserved in their accounts")
    read, priced = _reading()
    print(f"{'':44}{read:28.1f}   of it: the body read")
    print(f"{'':44}{priced:28.1f}   of it: priced at most")
    return 0


def _budgets(holding: int, others: int) -> tuple[Budget, ...]:
    made = [{"name": f"h{number}", "provider": "openai"} for number in range(holding)]
    made += [{"name": f"o{number}", "user": f"user{number}"} for number in range(others)]
    return tuple(Budget.model_validate({**each, "limit": 1_000_000}) for each in made)


def _exchange(number: int) -> Exchange:
    headers = [("authorization", "Bearer none"), ("user-agent", "bench")]
    path = "/v1/chat/completions"
    return Exchange(
        f"{number}", time.time(), "POST", "https", "api.openai.com", 443, path, headers, _BODY
    )


def _flow(number: int) -> Any:
    flow = tflow.tflow()
    exchange = _exchange(number)
    entry = _HOSTS.find(exchange.host, 443)
    assert entry is not None
    endpoint = _HOSTS.endpoint(entry, "POST", exchange.path)
    assert endpoint is not None
    depart(flow, Flight(exchange, entry, endpoint))
    return flow


async def _whole(home: Home, budgets: tuple[Budget, ...]) -> float:
    async def nowhere(*_: object) -> str:
        return "nowhere"

    Writer(home.database).close()
    keeper = BudgetKeeper(home, Settings(budget=budgets), lambda: _PRICES, nowhere)
    hook: Any = keeper.request
    await hook(_flow(-1))
    rounds = []
    for turn in range(_ROUNDS):
        flows = [_flow(turn * _CALLS + number) for number in range(_CALLS)]
        started = time.perf_counter()
        for flow in flows:
            await hook(flow)
        rounds.append((time.perf_counter() - started) / _CALLS * 1e6)
        assert all(flow.response is None for flow in flows)
    keeper.accounts.close()
    return min(rounds)


def _parts(folder: Path, budgets: tuple[Budget, ...]) -> tuple[float, float]:
    known = Budgets(budgets)
    exchange = _exchange(0)
    flight = SimpleNamespace(
        endpoint=_HOSTS.endpoint(_HOSTS.find(exchange.host, 443), "POST", exchange.path)
    )  # type: ignore[arg-type]
    prompt = read_prompt(exchange, flight.endpoint)
    who = budgeting.who(exchange, flight.endpoint, prompt)
    ledger = Ledger(folder / "parts.db", folder / "llmitm.db")
    held = known.holding(who)
    accounts = [ledger.account(each, each.budget.period.window(time.time())).id for each in held]
    limits = [(account, 10**15) for account in accounts]
    numbers = iter(range(10**9))
    looked_up = _timed(lambda: known.holding(who))
    reserved = _timed(lambda: ledger.reserve(str(next(numbers)), limits, 1, 0))
    ledger.close()
    return looked_up, reserved


def _reading() -> tuple[float, float]:
    exchange = _exchange(0)
    entry = _HOSTS.find(exchange.host, 443)
    assert entry is not None
    endpoint = _HOSTS.endpoint(entry, "POST", exchange.path)
    assert endpoint is not None
    prompt = read_prompt(exchange, endpoint)
    return (
        _timed(lambda: read_prompt(exchange, endpoint)),
        _timed(lambda: budgeting.most(exchange, endpoint, prompt, 100, _PRICES)),
    )


def _timed(work: Callable[[], object]) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(_CALLS):
            work()
        rounds.append((time.perf_counter() - started) / _CALLS * 1e6)
    return min(rounds)


if __name__ == "__main__":
    sys.exit(main())
