"""`llmitm price whatif`: what logged calls would have cost on another model, in another tier, or with our cache. Only reads."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmitm import pricing
from llmitm.basis import Basis
from llmitm.cli.filtering import wanted
from llmitm.cli.output import Column, count, difference, money, progress, table
from llmitm.cli.price.common import find, none_found, prices
from llmitm.errors import LlmitmError, SettingsError
from llmitm.home import home
from llmitm.money import nano
from llmitm.store.reader import Record, reading
from llmitm.store.repeated import Asked
from llmitm_pricing import PriceTable

type Step = Sequence[tuple[Record, Basis | None]]

NOTE = "token counts are those of the model that answered; another one counts and writes otherwise"
TIER_NOTE = "a tier that a model has no price for leaves its calls out; slower tiers answer later, or the next day"
CACHE_NOTE = "only what was asked word by word the same; our cache may find more"
_NO_TIER = "the tier "
"""How the price table begins its note that a model has no price for a tier."""
_NO_BASIS = "the call does not tell all that its price rests on"
_UNPRICED = "what it cost is not known"

_COLUMNS = (
    Column("model", wide=True),
    Column("calls", right=True),
    Column("tokens", right=True),
    Column("cost", right=True),
    Column("there", right=True, style="green"),
    Column("difference", right=True),
    Column("%", right=True),
)


@dataclass(slots=True)
class Comparison:
    """What calls cost, and would have cost. Calls that lack one of the two are left out of both."""

    calls: int = 0
    hits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    now_nanousd: int = 0
    then_nanousd: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Calls that cannot be compared, by reason."""

    @property
    def more(self) -> int:
        """What the other model would have cost more."""
        return self.then_nanousd - self.now_nanousd

    def add(self, other: Comparison) -> None:
        """Add another one to it."""
        self.calls += other.calls
        self.hits += other.hits
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.now_nanousd += other.now_nanousd
        self.then_nanousd += other.then_nanousd
        self.left_out += other.left_out


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each model that answered, and the sum of them."""
    if arguments.cached is not None:
        if arguments.target or arguments.tier:
            raise SettingsError("--cached is asked alone: what a hit saves is what the call cost")
        return _cached(arguments)
    if not arguments.target and not arguments.tier:
        raise SettingsError("say what is to be otherwise: --model, --tier or --cached")
    with prices(check=True) as price_table, reading(home().database) as log:
        provider = None
        if arguments.target:
            provider = provider_of(price_table, arguments.target, arguments.target_provider)
        bases = log.bases(wanted(arguments))
        with progress(len(bases), "pricing") as advance:
            compared = compare(
                _told(bases.steps(), advance),
                price_table,
                provider,
                arguments.target,
                arguments.tier,
            )
    where = f"{provider}/{arguments.target}" if provider else "the same models"
    title = f"on {where}" + (f" in the tier {arguments.tier}" if arguments.tier else "")
    asked = {"provider": provider, "model": arguments.target, "tier": arguments.tier}
    _print_all(arguments, asked, title, NOTE if provider else TIER_NOTE, compared)
    return 0


type Compared = dict[tuple[str, str], Comparison]
"""By provider and model."""


def compare(
    steps: Iterable[Step],
    price_table: PriceTable,
    provider: str | None,
    model: str | None,
    tier: str | None,
) -> Compared:
    """Return what calls cost, and would have cost on another model, in another tier, or both."""
    compared: Compared = defaultdict(Comparison)
    for step in steps:
        for call, basis in step:
            comparison = compared[call["provider"], call["model"] or ""]
            if basis is not None:
                basis = _otherwise(basis, provider, model, tier)
            _compare(comparison, call, basis, price_table)
    return compared


def in_order(compared: Compared) -> Iterable[tuple[tuple[str, str], Comparison]]:
    """Return what was compared, the dearest first."""
    return sorted(compared.items(), key=lambda item: (-item[1].now_nanousd, item[0]))


def added(compared: Compared) -> Comparison:
    """Return what all adds up to."""
    whole = Comparison()
    for comparison in compared.values():
        whole.add(comparison)
    return whole


def _told(steps: Iterable[Step], advance: Callable[[int], None]) -> Iterator[Step]:
    """Yield steps, and tell how far it is."""
    for step in steps:
        yield step
        advance(len(step))


def compare_cached(calls: Iterable[Asked]) -> Compared:
    """Return what calls cost, and would have cost had our cache answered those that it could."""
    compared: Compared = defaultdict(Comparison)
    for call in calls:
        comparison = compared[call.provider, call.model]
        if call.cost_nanousd is None:
            comparison.left_out[_UNPRICED] += 1
            continue
        comparison.calls += 1
        comparison.hits += call.repeats
        comparison.input_tokens += call.tokens
        comparison.now_nanousd += call.cost_nanousd
        comparison.then_nanousd += 0 if call.repeats else call.cost_nanousd
    return compared


def _cached(arguments: argparse.Namespace) -> int:
    """Print what was asked again while our cache would have had the answer."""
    lifetime = round(arguments.cached.total_seconds() * 1000)
    with reading(home().database) as log:
        compared = compare_cached(log.asked(wanted(arguments), lifetime))
    title = f"with our cache on, answers kept for {arguments.cached}"
    asked = {"cached_seconds": arguments.cached.total_seconds()}
    _print_all(arguments, asked, title, CACHE_NOTE, compared)
    return 0


def _otherwise(basis: Basis, provider: str | None, model: str | None, tier: str | None) -> Basis:
    """Return what a price would rest on."""
    if provider is not None and model is not None:
        basis = pricing.on_another(basis, provider, model)
    return basis if tier is None or basis.free else pricing.in_tier(basis, tier)


def _print_all(
    arguments: argparse.Namespace,
    asked: dict[str, Any],
    title: str,
    note: str,
    compared: Compared,
) -> None:
    whole = added(compared)
    if arguments.json:
        _print_json(asked, note, compared, whole)
    else:
        _print(title, note, compared, whole)


def provider_of(price_table: PriceTable, model: str, provider: str | None) -> str:
    """Return whose model is meant. Raises `LlmitmError` where nobody's is, or several are."""
    found = [name for name, _ in find(price_table, model, provider)]
    if not found:
        raise LlmitmError(none_found(price_table, model, provider))
    if len(found) > 1:
        raise LlmitmError(f"{model!r} has prices of {', '.join(found)}: say which by --provider")
    return found[0]


def _compare(
    comparison: Comparison,
    call: Record,
    basis: Basis | None,
    price_table: PriceTable,
) -> None:
    if basis is None:
        comparison.left_out[_NO_BASIS] += 1
        return
    if call["cost_nanousd"] is None:
        comparison.left_out[_UNPRICED] += 1
        return
    charge = pricing.price(basis, price_table)
    if charge.usd is None:
        comparison.left_out[charge.unpriced_reason or ""] += 1
        return
    tierless = next((note for note in charge.notes if note.startswith(_NO_TIER)), None)
    if tierless is not None:
        comparison.left_out[tierless.partition(":")[0]] += 1
        return
    comparison.calls += 1
    if call["counted"]:
        comparison.input_tokens += call["input_tokens"] or 0
        comparison.output_tokens += call["output_tokens"] or 0
    comparison.now_nanousd += call["cost_nanousd"]
    comparison.then_nanousd += nano(charge.usd)


def _print(title: str, note: str, compared: Compared, whole: Comparison) -> None:
    hits = bool(whole.hits)
    rows = [
        (f"{provider}/{model or '–'}", *_cells(comparison, hits=hits))
        for (provider, model), comparison in in_order(compared)
        if comparison.calls
    ]
    print(f"what was logged, and what it would have cost {title}:", file=sys.stderr)
    columns = (*_COLUMNS[:2], Column("hits", right=True), *_COLUMNS[2:]) if hits else _COLUMNS
    table(columns, rows, total=("total", *_cells(whole, hits=hits)))
    for reason, number in whole.left_out.most_common():
        print(f"left out: {count(number)}: {reason}", file=sys.stderr)
    print(f"note: {note}", file=sys.stderr)


def _cells(comparison: Comparison, *, hits: bool) -> tuple[str, ...]:
    return (
        count(comparison.calls),
        *((count(comparison.hits),) if hits else ()),
        count(comparison.input_tokens + comparison.output_tokens),
        money(comparison.now_nanousd),
        money(comparison.then_nanousd),
        difference(comparison.more),
        f"{share:+.1f}" if (share := _percent(comparison)) is not None else "–",
    )


def _percent(comparison: Comparison) -> float | None:
    return comparison.more / comparison.now_nanousd * 100 if comparison.now_nanousd else None


def _print_json(
    asked: dict[str, Any],
    note: str,
    compared: Compared,
    whole: Comparison,
) -> None:
    models = [
        {"provider": name, "model": present or None, **_document(comparison)}
        for (name, present), comparison in in_order(compared)
    ]
    told = {
        **asked,
        "models": models,
        "total": _document(whole),
        "note": note,
    }
    print(json.dumps(told, ensure_ascii=False, indent=2))


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "calls": comparison.calls,
        "hits": comparison.hits,
        "input_tokens": comparison.input_tokens,
        "output_tokens": comparison.output_tokens,
        "cost_nanousd": comparison.now_nanousd,
        "whatif_nanousd": comparison.then_nanousd,
        "difference_nanousd": comparison.more,
        "difference_percent": _percent(comparison),
        "left_out": [
            {"reason": reason, "calls": number}
            for reason, number in comparison.left_out.most_common()
        ],
    }
