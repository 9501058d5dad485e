"""`llmitm cache advise`: where the prompt caches of providers broke, what that cost, and what to do about it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from llmitm import harmless
from llmitm.cli.filtering import wanted
from llmitm.cli.output import Column, as_json, calls, clock, count, money, seconds, share, table

if TYPE_CHECKING:
    from llmitm.policy.prompt_cache import Miss
    from llmitm.store.continued import Pair
    from llmitm.store.reader import Reader
    from llmitm_pricing import PriceTable

_DAYS = 7
_MOST_CALLS = 20_000
_MOST_READ = 500
"""Misses whose prompts are compared."""
_TITLES = {"tools": "tool", "system": "system text", "messages": "message", "options": "option"}
_COLUMNS = (
    Column("thread", style="dim"),
    Column("call", style="dim", spare=1),
    Column("when", spare=2),
    Column("not found", right=True),
    Column("cost", right=True, style="green"),
    Column("why", wide=True),
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A miss, with what it cost more than a hit; None where that is not known."""

    pair: Pair
    miss: Miss
    cost_nanousd: int | None


def run(arguments: argparse.Namespace) -> int:
    """Print the misses, the dearest first, and what they add up to."""
    from llmitm.cli.price.common import prices
    from llmitm.home import home
    from llmitm.policy.prompt_cache import expected
    from llmitm.store.reader import reading

    asked = wanted(arguments)
    if asked.since is None:
        asked = replace(asked, since=datetime.now(UTC).astimezone() - timedelta(days=_DAYS))
    with prices() as price_table, reading(home().database) as log:
        pairs = log.continued(asked, _MOST_CALLS)
        found = _missed(log, pairs, price_table)
    found.sort(key=lambda each: (-(each.cost_nanousd or 0), -each.miss.tokens))
    if arguments.form:
        as_json([_record(each) for each in found[: arguments.n]], arguments.form)
        return 0
    there = sum(expected(pair.before, pair.call) for pair in pairs)
    given = sum(min(pair.call.cached_tokens, expected(pair.before, pair.call)) for pair in pairs)
    when = "" if arguments.since else f" in the last {_DAYS} days"
    if not there:
        print(f"no call{when} goes on from a prompt that a provider's cache would keep")
        return 0
    lost = sum(each.cost_nanousd or 0 for each in found)
    print(
        f"{calls(len(pairs))}{when} went on from another: {share(given, there)} of the {count(there)} tokens"
        f" that were there were found; {count(len(found))} misses cost {money(lost)} more than hits"
    )
    if not found:
        return 0
    table(_COLUMNS, [_row(each) for each in found[: arguments.n]])
    _advice(found)
    return 0


def _missed(log: Reader, pairs: list[Pair], price_table: PriceTable) -> list[_Found]:
    """Return the misses. Prompts are compared only where the counts of tokens show one."""
    from llmitm.policy.prompt_cache import missed
    from llmitm.wire import changes

    found: list[_Found] = []
    for pair in pairs:
        miss = missed(pair.before, pair.call, None)
        if miss is None or len(found) >= _MOST_READ:
            continue
        earlier, text = log.bodies(pair.before_id)[0], log.bodies(pair.id)[0]
        before = replace(pair.before, marks=earlier is None or '"cache_control"' in earlier)
        old, new = changes.read(earlier or ""), changes.read(text or "")
        change = changes.broken_at(old, new) if old and new else None
        miss = missed(before, pair.call, change)
        if miss is not None:
            found.append(_Found(pair, miss, _cost(log, pair, miss.tokens, price_table)))
    return found


def _cost(log: Reader, pair: Pair, tokens: int, price_table: PriceTable) -> int | None:
    """Return what a call cost more than if it had found the tokens."""
    from llmitm import pricing
    from llmitm.money import nano
    from llmitm_pricing import Cost

    basis = log.basis(pair.key)
    hit = pricing.with_cached(basis, tokens) if basis and not basis.free else None
    if basis is None or hit is None:
        return None
    now, then = (pricing.work_out(each, price_table) for each in (basis, hit))
    if isinstance(now, Cost) and isinstance(then, Cost):
        return nano(now.usd - then.usd)
    return None


def _row(found: _Found) -> tuple[str, ...]:
    return (
        found.pair.thread[-6:],
        found.pair.id[-6:],
        clock(int(found.pair.call.at * 1000)),
        count(found.miss.tokens),
        money(found.cost_nanousd),
        _why(found.miss),
    )


def _why(miss: Miss) -> str:
    from llmitm.wire.changes import told

    if miss.reason == "changed" and miss.change is not None:
        change = miss.change
        name = f"{_TITLES[change.place]} {change.name}"
        if change.before is None or change.after is None:
            return f"{name} {'is new' if change.before is None else 'is gone'}"
        old, new = told(change)
        return f"{name}: {old} → {new}"
    return {
        "model": "another model",
        "no marks": "no cache_control in the request before",
        "expired": f"{seconds(miss.idle * 1000)} after the call before; kept for {miss.lifetime // 60} min",
    }.get(miss.reason, "the prompt is as it was, and it was not found")


def _advice(found: list[_Found]) -> None:
    from collections import Counter

    from llmitm.policy.prompt_cache import advice

    costs: Counter[str] = Counter()
    for each in found:
        costs[advice(each.miss)] += each.cost_nanousd or 0
    for text, cost in costs.most_common():
        print(harmless.line(f"{money(cost):>10}  {text}"))


def _record(found: _Found) -> dict[str, Any]:
    from llmitm.policy.prompt_cache import advice

    miss, change = found.miss, found.miss.change
    return {
        "thread": found.pair.thread,
        "id": found.pair.id,
        "before": found.pair.before_id,
        "started_at": round(found.pair.call.at * 1000),
        "model": found.pair.call.model,
        "missed_tokens": miss.tokens,
        "cost_nanousd": found.cost_nanousd,
        "reason": miss.reason,
        "place": change.place if change else None,
        "name": change.name if change else None,
        "idle_seconds": round(miss.idle, 1),
        "why": _why(miss),
        "advice": advice(miss),
    }
