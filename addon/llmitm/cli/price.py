"""`llmitm price`: what the price table says, as people read it. Looks only; nothing is written."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from llmitm_pricing import PriceTable
    from llmitm_pricing.schema import Item, Model, Price, PriceFile, Variant
    from llmitm_pricing.table import PricedModel

_COLUMNS = ("input", "cached_input", "cache_write", "output")
"""What the list shows; `show` has everything."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `price` to the command line."""
    parser = subparsers.add_parser("price", help="what models cost", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    listing = verbs.add_parser("ls", help="list models and their prices")
    listing.add_argument("text", nargs="?", help="only models whose name contains this")
    listing.set_defaults(run=_list)

    showing = verbs.add_parser("show", help="everything about one model, with its history")
    showing.add_argument("model", help="a name as on the wire")
    showing.set_defaults(run=_show)

    for verb in (listing, showing):
        verb.add_argument("--provider", help="only this provider")
        verb.add_argument(
            "--at", type=_day, metavar="DATE", help="prices of this day, such as 2026-05-01 (UTC)"
        )
        verb.add_argument("--json", action="store_true", help="print JSON")


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(12), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, such as 2026-05-01") from None


def _load() -> PriceTable:
    from llmitm.home import home
    from llmitm_pricing import PriceTable

    return PriceTable.load(own=home().prices)


def _list(arguments: argparse.Namespace) -> int:
    from llmitm.errors import SettingsError
    from llmitm_pricing import PriceFileError

    at = arguments.at or datetime.now(UTC)
    try:
        table = _load()
        rows = list(_rows(table, arguments.provider, (arguments.text or "").casefold(), at))
    except PriceFileError as error:
        raise SettingsError(str(error)) from error
    if not rows:
        print("no model is called so", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(rows, default=_plain, indent=2))
    else:
        _print_list(rows, at)
    return 0


def _rows(
    table: PriceTable, provider: str | None, text: str, at: datetime
) -> Iterator[dict[str, Any]]:
    for name in [provider] if provider else table.providers():
        for file in table.files(name):
            for model in file.model:
                if text and not any(text in known.casefold() for known in (model.id, *model.match)):
                    continue
                found = table.find(model.id, name)
                price = _price_at(model, at)
                if found and found.entry is model and price:
                    yield {"provider": name, "model": model.id, **_summary(price)}


def _summary(price: Price) -> dict[str, Any]:
    prices: dict[str, Any] = {unit: price.mtok.get(unit) for unit in _COLUMNS}
    if prices["cache_write"] is None:
        prices["cache_write"] = price.mtok.get("cache_write_5m")
    return {
        **prices,
        "items": {item.unit: _span(item) for item in price.item},
        "free": price.free,
        "since": price.starts.date() if price.starts else None,
    }


def _price_at(model: Model, at: datetime) -> Price | None:
    for price in reversed(model.price):
        if price.starts is None or price.starts <= at:
            return price if price.until is None or at < price.until else None
    return None


def _print_list(rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    from rich.table import Table

    table = Table(
        title=f"Prices on {at:%Y-%m-%d}, USD per million tokens", title_justify="left", box=_box()
    )
    table.add_column("provider", style="dim", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for heading in ("input", "cached", "cache write", "output"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("else", style="dim")
    for row in rows:
        table.add_row(
            row["provider"],
            row["model"],
            *(_money(row[unit]) for unit in _COLUMNS),
            row["free"] or ", ".join(f"{usd} a {unit}" for unit, usd in row["items"].items()),
        )
    _print(table, rows=rows)


def _print(table: Any, *, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table on a terminal, and columns between tabs into a pipe."""
    console = _console()
    if console.is_terminal:
        console.print(table)
        return
    for row in rows:
        cells = (row["provider"], row["model"], *(_money(row[unit]) for unit in _COLUMNS))
        print("\t".join(cells))


def _show(arguments: argparse.Namespace) -> int:
    from llmitm.errors import SettingsError
    from llmitm_pricing import PriceFileError

    at = arguments.at or datetime.now(UTC)
    try:
        table = _load()
        found = list(_found(table, arguments.model, arguments.provider))
        known = [] if found else _known(table, arguments.provider)
    except PriceFileError as error:
        raise SettingsError(str(error)) from error
    if not found:
        near = get_close_matches(arguments.model.casefold(), known, n=3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        print(f"no price for model {arguments.model!r}{hint}", file=sys.stderr)
        return 1
    if arguments.json:
        print(
            json.dumps(
                [_document(provider, model) for provider, model in found], default=_plain, indent=2
            )
        )
        return 0
    console = _console()
    for provider, model in found:
        _print_model(console, provider, model, at)
    return 0


def _found(table: PriceTable, name: str, provider: str | None) -> Iterator[tuple[str, PricedModel]]:
    """Find a model with one provider, or with all that have it in a file of their own."""
    for candidate in [provider] if provider else table.providers():
        found = table.find(name, candidate)
        # A file that takes any name (a server on one's own machine) knows nothing of this one.
        if found and (
            provider or (found.file.provider == candidate and "*" not in found.entry.match)
        ):
            yield candidate, found


def _known(table: PriceTable, provider: str | None) -> list[str]:
    names = [
        model.id
        for name in ([provider] if provider else table.providers())
        for file in table.files(name)
        for model in file.model
    ]
    return list(dict.fromkeys(names))


def _document(provider: str, model: PricedModel) -> dict[str, Any]:
    entry = model.entry.model_dump(by_alias=True, exclude_defaults=True)
    page = model.entry.page or model.file.page
    return {"provider": provider, "page": page, "fee": model.file.fee, **entry}


def _print_model(console: Console, provider: str, model: PricedModel, at: datetime) -> None:
    from rich.markup import escape

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
    now = _price_at(entry, at)
    for price in reversed(entry.price):
        _print_price(console, price, file, holds=price is now)
    for modifier in model.modifiers:
        console.print(f"[dim]times {_money(modifier.times)} where {_words(modifier.when)}[/]")
    console.print()


def _print_price(console: Console, price: Price, file: PriceFile, *, holds: bool) -> None:
    from rich.table import Table

    mark = "[green]●[/]" if holds else "[dim]○[/]"
    console.print(f"\n{mark} {_period(price)}")
    if price.free:
        console.print(f"  free: {price.free}")
        return
    units = list(dict.fromkeys([*price.mtok, *(unit for v in price.variant for unit in v.mtok)]))
    if units:
        table = Table(box=_box(), padding=(0, 1), show_edge=False)
        table.add_column("USD per million tokens", style="dim")
        for unit in units:
            table.add_column(unit.replace("_", " "), justify="right")
        table.add_row("standard", *(_money(price.mtok.get(unit)) for unit in units))
        for variant in price.variant:
            table.add_row(_condition(variant), *_variant_cells(variant, units))
        console.print(table)
    for item in price.item:
        console.print(f"  {item.unit.replace('_', ' ')}: {_span(item)} USD")
        if isinstance(item.usd, dict):
            for values, usd in item.usd.items():
                console.print(f"    {values:<24} {_money(usd)}", highlight=False)
    fees = {**file.fee, **price.fee}
    if fees and price.mtok:
        told = ", ".join(f"{unit.replace('_', ' ')} {_money(usd)}" for unit, usd in fees.items())
        console.print(f"  [dim]USD per thousand: {told}[/]")


def _variant_cells(variant: Variant, units: Iterable[str]) -> list[str]:
    if variant.times is not None:
        return [f"× {_money(variant.times)}" for _ in units]
    return [_money(variant.mtok.get(unit)) for unit in units]


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


def _span(item: Item) -> str:
    """Return the price of an item, or the least and the most it can be."""
    per = f" for {item.per:,f}" if item.per != 1 else ""
    if not isinstance(item.usd, dict):
        return f"{_money(item.usd)}{per}"
    return f"{_money(min(item.usd.values()))} to {_money(max(item.usd.values()))}{per}"


def _money(usd: Decimal | None) -> str:
    return "–" if usd is None else f"{usd.normalize():f}"


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _console() -> Console:
    """Return where to print; into a pipe lines are not cut to the width of a terminal."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def _box() -> Any:
    from rich import box

    return box.SIMPLE_HEAD
