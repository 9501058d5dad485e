"""`llmitm price show`: everything about one model, and what some usage of it costs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from llmitm.cli.price.common import (
    box_style,
    console,
    find,
    money,
    none_found,
    plain,
    price_at,
    prices,
    span,
)
from llmitm.cli.working import document, lines
from llmitm.providers.hosts import known_providers

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console

    from llmitm_pricing import Cost, PriceTable, Unpriced
    from llmitm_pricing.schema import Item, Price, Variant
    from llmitm_pricing.table import PricedModel

_EXAMPLE = ("input", "output")
_THOUSAND = 1_000


def run(arguments: argparse.Namespace) -> int:
    """Print a model, or all that are called so."""
    at = arguments.at or datetime.now(UTC)
    with prices() as table:
        found = list(find(table, arguments.model, arguments.provider))
        if not found:
            print(none_found(table, arguments.model, arguments.provider), file=sys.stderr)
            return 1
        found.sort(key=_makers_first())
        worked = [_work_out(table, provider, model, at, arguments) for provider, model in found]
    if arguments.json:
        documents = [
            _document(*each) | ({"working": document(cost)} if cost else {})
            for each, cost in zip(found, worked, strict=True)
        ]
        print(json.dumps(documents, default=plain, indent=2))
        return 0
    out = console()
    (provider, model), cost = found[0], worked[0]
    _print_model(out, provider, model, at)
    if cost:
        out.print("[dim]for example[/]" if arguments.usage is None else "[dim]working[/]")
        for line in lines(cost):
            out.print(f"  {escape(line)}", soft_wrap=True)
    if len(found) > 1:
        _print_others(out, found[1:], worked[1:])
    return 0


def _makers_first() -> Callable[[tuple[str, PricedModel]], int]:
    """Return a key that sorts providers as they stand in the table of hosts: makers of models before who sells them."""
    order = {entry.name: number for number, entry in enumerate(known_providers())}
    return lambda found: order.get(found[0], len(order))


def _print_others(
    out: Console,
    found: Sequence[tuple[str, PricedModel]],
    worked: Sequence[Cost | Unpriced | None],
) -> None:
    """Print who else sells the model, with what the same usage costs there."""
    out.print("\n[dim]also sold by (--provider NAME shows all)[/]")
    for (provider, model), cost in zip(found, worked, strict=True):
        usd = getattr(cost, "usd", None)
        told = f"${money(usd)}" if usd is not None else ""
        out.print(f"  {provider:<18} {escape(model.entry.id):<48} {told}", soft_wrap=True)


def _work_out(
    table: PriceTable,
    provider: str,
    model: PricedModel,
    at: datetime,
    arguments: argparse.Namespace,
) -> Cost | Unpriced | None:
    """Return the cost of the usage that was asked for, or of an example; None where neither is."""
    usage = arguments.usage
    if usage is None:
        price = price_at(model.entry, at)
        usage = {unit: _THOUSAND for unit in _EXAMPLE if price and unit in price.mtok}
    if not usage:
        return None
    return table.price(
        usage,
        model=arguments.model,
        provider=provider,
        at=at,
        tier=arguments.tier,
        geo=arguments.geo,
        host=arguments.host,
        path=arguments.path,
        speed=arguments.speed,
        attributes=dict(arguments.attribute),
    )


def _document(provider: str, model: PricedModel) -> dict[str, Any]:
    entry = model.entry.model_dump(by_alias=True, exclude_defaults=True)
    page = model.entry.page or model.file.page
    return {"provider": provider, "page": page, "fee": model.file.fee, **entry}


def _print_model(console: Console, provider: str, model: PricedModel, at: datetime) -> None:
    entry, file = model.entry, model.file
    also = f", priced as {file.provider}'s" if file.provider != provider else ""
    console.print(f"[bold]{escape(entry.id)}[/]  [dim]{escape(provider)}{escape(also)}[/]")
    facts = {
        "also called": ", ".join(entry.match),
        "note": entry.note or file.note,
        "page": entry.page or file.page,
        "checked": str(entry.checked or file.checked or ""),
    }
    for label, fact in facts.items():
        if fact:
            console.print(f"[dim]{label:<12}[/]{escape(fact)}", soft_wrap=True)
    now = price_at(entry, at)
    for price in reversed(entry.price):
        _print_price(
            console, price, {**file.fee, **price.fee, **model.fees_above}, holds=price is now
        )
    for modifier in model.modifiers:
        where = f" where {_words(modifier.when)}" if modifier.when else ""
        console.print(f"[dim]times {money(modifier.times)}{where}[/]")
    console.print()


def _print_price(
    console: Console, price: Price, fees: Mapping[str, Decimal], *, holds: bool
) -> None:
    from rich.table import Table

    mark = "[green]●[/]" if holds else "[dim]○[/]"
    console.print(f"\n{mark} {_period(price)}")
    if price.free:
        console.print(f"  free: {price.free}")
        return
    units = list(dict.fromkeys([*price.mtok, *(unit for v in price.variant for unit in v.mtok)]))
    if units:
        table = Table(box=box_style(), padding=(0, 1), show_edge=False)
        table.add_column("USD per million tokens", style="dim")
        for unit in units:
            table.add_column(unit.replace("_", " "), justify="right")
        table.add_row("standard", *(money(price.mtok.get(unit)) for unit in units))
        for variant in price.variant:
            if variant.mtok or variant.times:
                table.add_row(_condition(variant), *_variant_cells(variant, units))
        console.print(table)
    for item in price.item:
        _print_item(console, item, "")
    for variant in price.variant:
        for item in variant.item:
            _print_item(console, item, f", {_condition(variant)}")
    if fees and price.mtok:
        told = ", ".join(f"{unit.replace('_', ' ')} {money(usd)}" for unit, usd in fees.items())
        console.print(f"  [dim]USD per thousand: {told}[/]")


def _print_item(console: Console, item: Item, condition: str) -> None:
    console.print(f"  {item.unit.replace('_', ' ')}{escape(condition)}: {span(item)} USD")
    if isinstance(item.usd, dict):
        for values, usd in item.usd.items():
            console.print(f"    {values:<24} {money(usd)}", highlight=False)


def _variant_cells(variant: Variant, units: Iterable[str]) -> list[str]:
    if variant.times is not None:
        return [f"× {money(variant.times)}" for _ in units]
    return [money(variant.mtok.get(unit)) for unit in units]


def _condition(variant: Variant) -> str:
    words = [_words(variant.when)] if variant.when else []
    if variant.prompt_from:
        words.append(f"prompt from {variant.prompt_from:,}")
    if variant.calendar:
        words.append(f"{variant.calendar} hours")
    return ", ".join(words)


def _words(when: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {' or '.join(words)}" for key, words in when.items())


def _period(price: Price) -> str:
    starts = f"from {price.starts:%Y-%m-%d}" if price.starts else "from the beginning"
    return f"{starts} until {price.until:%Y-%m-%d}" if price.until else starts
