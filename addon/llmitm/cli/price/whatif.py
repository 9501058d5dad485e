"""`llmitm price whatif`: what logged calls would have cost on another model. Only reads."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from llmitm import pricing
from llmitm.basis import Basis
from llmitm.cli.filtering import wanted
from llmitm.cli.output import Column, count, difference, money, progress, table
from llmitm.cli.price.common import find, none_found, prices
from llmitm.errors import LlmitmError
from llmitm.home import home
from llmitm.money import nano
from llmitm.store.reader import Record, reading
from llmitm_pricing import PriceTable

_NOTE = "token counts are those of the model that answered; another one counts and writes otherwise"
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
class _Comparison:
    """What calls cost, and would have cost. Calls that lack one of the two are left out of both."""

    calls: int = 0
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

    def add(self, other: _Comparison) -> None:
        """Add another one to it."""
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.now_nanousd += other.now_nanousd
        self.then_nanousd += other.then_nanousd
        self.left_out += other.left_out


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each model that answered, and the sum of them."""
    with prices(check=True) as price_table, reading(home().database) as log:
        provider = _provider(price_table, arguments.target, arguments.target_provider)
        compared: dict[tuple[str, str], _Comparison] = defaultdict(_Comparison)
        bases = log.bases(wanted(arguments))
        with progress(len(bases), "pricing") as advance:
            for step in bases.steps():
                for call, basis in step:
                    comparison = compared[call["provider"], call["model"] or ""]
                    _compare(comparison, call, basis, provider, arguments.target, price_table)
                advance(len(step))
    whole = _Comparison()
    for comparison in compared.values():
        whole.add(comparison)
    if arguments.json:
        _print_json(provider, arguments.target, compared, whole)
    else:
        _print(f"{provider}/{arguments.target}", compared, whole)
    return 0


def _provider(price_table: PriceTable, model: str, provider: str | None) -> str:
    """Return whose model is meant. Raises `LlmitmError` where nobody's is, or several are."""
    found = [name for name, _ in find(price_table, model, provider)]
    if not found:
        raise LlmitmError(none_found(price_table, model, provider))
    if len(found) > 1:
        raise LlmitmError(f"{model!r} has prices of {', '.join(found)}: say which by --provider")
    return found[0]


def _compare(
    comparison: _Comparison,
    call: Record,
    basis: Basis | None,
    provider: str,
    model: str,
    price_table: PriceTable,
) -> None:
    if basis is None:
        comparison.left_out[_NO_BASIS] += 1
        return
    if call["cost_nanousd"] is None:
        comparison.left_out[_UNPRICED] += 1
        return
    charge = pricing.price(pricing.on_another(basis, provider, model), price_table)
    if charge.usd is None:
        comparison.left_out[charge.unpriced_reason or ""] += 1
        return
    comparison.calls += 1
    if call["counted"]:
        comparison.input_tokens += call["input_tokens"] or 0
        comparison.output_tokens += call["output_tokens"] or 0
    comparison.now_nanousd += call["cost_nanousd"]
    comparison.then_nanousd += nano(charge.usd)


def _print(target: str, compared: dict[tuple[str, str], _Comparison], whole: _Comparison) -> None:
    rows = [
        (f"{provider}/{model or '–'}", *_cells(comparison))
        for (provider, model), comparison in _in_order(compared)
        if comparison.calls
    ]
    print(f"what was logged, and what it would have cost on {target}:", file=sys.stderr)
    table(_COLUMNS, rows, total=("total", *_cells(whole)))
    for reason, number in whole.left_out.most_common():
        print(f"left out: {count(number)}: {reason}", file=sys.stderr)
    print(f"note: {_NOTE}", file=sys.stderr)


def _cells(comparison: _Comparison) -> tuple[str, ...]:
    return (
        count(comparison.calls),
        count(comparison.input_tokens + comparison.output_tokens),
        money(comparison.now_nanousd),
        money(comparison.then_nanousd),
        difference(comparison.more),
        f"{share:+.1f}" if (share := _percent(comparison)) is not None else "–",
    )


def _percent(comparison: _Comparison) -> float | None:
    return comparison.more / comparison.now_nanousd * 100 if comparison.now_nanousd else None


def _in_order(
    compared: dict[tuple[str, str], _Comparison],
) -> Iterable[tuple[tuple[str, str], _Comparison]]:
    return sorted(compared.items(), key=lambda item: (-item[1].now_nanousd, item[0]))


def _print_json(
    provider: str,
    model: str,
    compared: dict[tuple[str, str], _Comparison],
    whole: _Comparison,
) -> None:
    models = [
        {"provider": name, "model": present or None, **_document(comparison)}
        for (name, present), comparison in _in_order(compared)
    ]
    told = {
        "provider": provider,
        "model": model,
        "models": models,
        "total": _document(whole),
        "note": _NOTE,
    }
    print(json.dumps(told, ensure_ascii=False, indent=2))


def _document(comparison: _Comparison) -> dict[str, Any]:
    return {
        "calls": comparison.calls,
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
