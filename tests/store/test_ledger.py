"""The accounts of budgets: never more than the limit, whatever ends when."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmitm.calls import Finished, Identity
from llmitm.policy.budgets import Budget, Held
from llmitm.store.accounts import Account, Settlement, Use
from llmitm.store.ledger import Ledger
from llmitm.store.ledger_file import Busy
from llmitm.store.writer import Writer
from store.records import call

NOW = 1_795_176_000.0


def budget(**fields: Any) -> Budget:
    return Budget.model_validate({"name": "b", "limit": "0.000001", "per": "total", **fields})


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "llmitm.db"
    Writer(path).close()
    return path


@pytest.fixture
def ledger(tmp_path: Path, log: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "budgets.db", log)
    yield found
    found.close()


def account(ledger: Ledger, one: Budget, value: str = "", now: float = NOW) -> Account:
    return ledger.account(Held(one, value), one.period.window(now))


def use(ledger: Ledger, found: Account) -> Use:
    return ledger.uses([found.id])[found.id]


def settle(
    ledger: Ledger, call_id: str, cost: int | None, holding: list[Held] | None = None, **more: Any
) -> list[Any]:
    budgets = [held.budget for held in holding or ()]
    call = Settlement(call_id, more.get("key", 10**9), more.get("at", NOW), cost, holding or ())
    return ledger.settle([call], budgets)


def test_what_is_reserved_is_there_for_nobody_else(ledger: Ledger) -> None:
    found = account(ledger, budget())
    limits = [(found.id, 1000)]
    assert ledger.reserve("a", limits, 600, NOW)
    assert not ledger.reserve("b", limits, 401, NOW)
    assert ledger.reserve("c", limits, 400, NOW)
    assert use(ledger, found) == Use(0, 1000, 0)
    settle(ledger, "a", 100)
    assert use(ledger, found) == Use(100, 400, 0)
    assert ledger.reserve("d", limits, 500, NOW)
    ledger.release("d")
    settle(ledger, "c", None)
    assert use(ledger, found) == Use(500, 0, 400), "what is not known counts as reserved"


def test_all_accounts_or_none(ledger: Ledger) -> None:
    wide, narrow = account(ledger, budget(name="w")), account(ledger, budget(name="n"))
    assert not ledger.reserve("a", [(wide.id, 1000), (narrow.id, 10)], 11, NOW)
    assert use(ledger, wide) == use(ledger, narrow) == Use(0, 0, 0)
    assert ledger.reserve("a", [(wide.id, 1000), (narrow.id, None)], 11, NOW)
    assert use(ledger, wide) == use(ledger, narrow) == Use(0, 11, 0)


def record(
    name: str,
    *,
    cost: str | None,
    user: str | None = None,
    model: str = "gpt-4o",
    properties: dict[str, str] | None = None,
    started_at: float = NOW,
) -> Finished:
    """Return a call by its id."""
    made = call(
        name,
        at=started_at,
        model=model,
        usd=None if cost is None else Decimal(cost),
        identity=Identity(user=user, properties=properties or {}),
    )
    made.exchange.id = name
    return made


def test_a_reservation_becomes_more_if_there_is_more(ledger: Ledger) -> None:
    found = account(ledger, budget())
    assert ledger.reserve("a", [(found.id, 1000)], 100, NOW)
    assert ledger.extend("a", 1000)
    assert not ledger.extend("a", 1001)
    assert use(ledger, found) == Use(0, 1000, 0)
    settle(ledger, "a", 50)
    assert use(ledger, found) == Use(50, 0, 0)


def logged(path: Path, *calls: Finished) -> list[int]:
    writer = Writer(path)
    written = writer.write(calls)
    writer.close()
    return [call.key or 0 for call in written]


def test_an_account_begins_with_what_the_log_has(ledger: Ledger, log: Path) -> None:
    logged(
        log,
        record("1", user="ann", cost="0.0000003", model="gpt-4o", started_at=NOW - 10),
        record("2", user="bob", cost="0.0000004", model="gpt-4o", started_at=NOW - 10),
        record("3", user="ann", cost="0.0000005", model="o3", started_at=NOW - 7200),
        record("4", user="ann", cost=None, model="gpt-4o", started_at=NOW - 10),
    )
    spent = {
        "all": account(ledger, budget(name="all")),
        "ann": account(ledger, budget(name="ann", user="ANN")),
        "each": account(ledger, budget(name="each", each="user"), "bob"),
        "model": account(ledger, budget(name="model", model="gpt-*")),
        "hour": account(ledger, budget(name="hour", per="1h")),
        "fixed": account(ledger, budget(name="fixed", unpriced="0.0000001")),
    }
    assert {name: use(ledger, found).spent for name, found in spent.items()} == {
        "all": 1200,
        "ann": 800,
        "each": 400,
        "model": 700,
        "hour": 700,
        "fixed": 1300,
    }


def test_a_property_is_found_in_the_log(ledger: Ledger, log: Path) -> None:
    logged(
        log,
        record("1", properties={"team": "Red"}, cost="0.0000003"),
        record("2", properties={"team": "blue"}, cost="0.0000004"),
        record("3", cost="0.0000005"),
    )
    red = account(ledger, budget(name="red", property={"Team": "red"}))
    each = account(ledger, budget(name="each", each="team"), "blue")
    nobody = account(ledger, budget(name="each", each="team"), "")
    assert [use(ledger, found).spent for found in (red, each, nobody)] == [300, 400, 500]


def test_no_call_counts_twice(ledger: Ledger, log: Path) -> None:
    held = Held(budget())
    (key,) = logged(log, record("1", cost="0.0000003"))
    settle(ledger, "1", 300, [held], key=key)  # nobody has asked for the account yet
    found = account(ledger, held.budget)
    settle(ledger, "1", 300, [held], key=key)  # another proxy was slower than our look at the log
    assert use(ledger, found).spent == 300
    (later,) = logged(log, record("2", cost="0.0000004"))
    settle(ledger, "2", 400, [held], key=later)
    assert use(ledger, found).spent == 700
    assert ledger.reserve("3", [(found.id, None)], 50, NOW)
    settle(ledger, "3", 40, [held], key=later + 1)
    assert use(ledger, found) == Use(740, 0, 0)


def test_a_new_log_does_not_make_calls_free(ledger: Ledger, log: Path) -> None:
    logged(log, *(record(str(number), cost="0") for number in range(5)))
    held = Held(budget())
    found = account(ledger, held.budget)
    log.rename(log.with_suffix(".old"))
    (key,) = logged(log, record("new", cost="0.0000003"))
    assert key == 1
    settle(ledger, "new", 300, [held], key=key)
    assert use(ledger, found).spent == 300


def test_a_sliding_account_forgets(ledger: Ledger) -> None:
    one = budget(per="60m")
    first = account(ledger, one)
    assert ledger.reserve("a", [(first.id, 1000)], 600, NOW)
    settle(ledger, "a", 600)
    half = account(ledger, one, now=NOW + 1800)
    assert half.id == first.id
    assert ledger.reserve("b", [(half.id, 1000)], 300, NOW + 1800)
    ledger.doubt("b")
    assert use(ledger, half).spent == 900
    later = account(ledger, one, now=NOW + 3660)
    assert use(ledger, later).spent == 300
    assert use(ledger, account(ledger, one, now=NOW + 9000)).spent in (0, 300)


def test_a_day_begins_with_an_account_of_its_own(ledger: Ledger) -> None:
    one = budget(per="day")
    today, tomorrow = account(ledger, one), account(ledger, one, now=NOW + 86_400)
    assert ledger.reserve("a", [(today.id, 1000)], 1000, NOW)
    settle(ledger, "a", 1000, [Held(one)], at=NOW)
    assert use(ledger, today).spent == 1000
    assert use(ledger, tomorrow) == Use(0, 0, 0)


def test_each_percentage_is_told_once(ledger: Ledger) -> None:
    held = Held(budget(warn_at=(50, 80, 100)))
    account(ledger, held.budget)
    told = [
        [crossing.percent for crossing in settle(ledger, str(number), 100, [held])]
        for number in range(11)
    ]
    assert told == [[], [], [], [], [50], [], [], [80], [], [100], []]


def _die(path: Path, log: Path, number: int) -> None:
    ledger = Ledger(path, log)
    one = budget(name="b", limit=1)
    found = ledger.account(Held(one), one.period.window(NOW))
    for each in range(3):
        assert ledger.reserve(f"{number}.{each}", [(found.id, 10**9)], 100, NOW)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_the_dead_had_reserved(ledger: Ledger, log: Path, tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_die, args=(tmp_path / "budgets.db", log, 1)
    )
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    found = account(ledger, budget(limit=1))
    assert ledger.reserve("mine", [(found.id, 10**9)], 7, NOW)
    assert use(ledger, found) == Use(0, 307, 0)
    logged(log, record("1.0", cost="0.00000003"))
    assert ledger.recover() == 3
    assert use(ledger, found) == Use(230, 7, 200), "one was in the log, two are in doubt"
    assert ledger.recover() == 0
    assert ledger.forgive("b") == 200
    assert use(ledger, found) == Use(30, 7, 0)
    assert len(list((tmp_path / "budgets.owners").iterdir())) == 1


def test_many_at_once_never_go_beyond(tmp_path: Path, log: Path) -> None:
    ledgers = [Ledger(tmp_path / "budgets.db", log) for _ in range(4)]
    found = account(ledgers[0], budget())

    def take(number: int) -> bool:
        ledger = ledgers[number % 4]
        try:
            return ledger.reserve(str(number), [(found.id, 1000)], 10, NOW)
        except Busy:
            return ledger.reserve_slowly(str(number), [(found.id, 1000)], 10, NOW)

    # A connection is one thread's at a time: each of the four has its own.
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda part: [take(n) for n in range(part, 400, 4)], range(4))
        assert sum(map(sum, parts)) == 100
    assert use(ledgers[0], found) == Use(0, 1000, 0)
    for ledger in ledgers:
        ledger.close()


def test_definitions_are_seen_by_others(ledger: Ledger, tmp_path: Path, log: Path) -> None:
    other = Ledger(tmp_path / "budgets.db", log)
    before = ledger.number()
    assert not other.define("b", json.dumps({"limit": 1}))
    assert ledger.number() != before
    assert ledger.definitions() == {"b": '{"limit": 1}'}
    assert other.define("b", None)
    assert ledger.definitions() == {}
    other.close()


def test_reserving_is_quick(ledger: Ledger) -> None:
    found = [account(ledger, budget(name=f"b{number}")) for number in range(3)]
    limits = [(each.id, 10**15) for each in found]
    started = time.perf_counter()
    for number in range(300):
        assert ledger.reserve(str(number), limits, 1, NOW)
    assert (time.perf_counter() - started) / 300 < 0.002
