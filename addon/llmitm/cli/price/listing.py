"""`llmitm price ls`: models and their prices, one line each."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmitm.cli.price.common import box_style, console, money, plain, price_at, prices, span

if TYPE_CHECKING:
    from llmitm_pricing import PriceTable
    from llmitm_pricing.schema import Price

_COLUMNS = ("input", "cached_input", "cache_write", "output")
"""What the list shows; `show` has everything."""


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    at = arguments.at or datetime.now(UTC)
    with prices() as table:
        rows = list(_rows(table, arguments.provider, (arguments.text or "").casefold(), at))
    if not rows:
        print("no model is called so", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(rows, default=plain, indent=2))
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
                price = price_at(model, at)
                if found and found.entry is model and price:
                    yield {"provider": name, "model": model.id, **_summary(price)}


def _summary(price: Price) -> dict[str, Any]:
    prices: dict[str, Any] = {unit: price.mtok.get(unit) for unit in _COLUMNS}
    if prices["cache_write"] is None:
        prices["cache_write"] = price.mtok.get("cache_write_5m")
    return {
        **prices,
        "items": {item.unit: span(item) for item in price.item},
        "free": price.free,
        "since": price.starts.date() if price.starts else None,
    }


def _print_list(rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    from rich.table import Table

    table = Table(
        title=f"Prices on {at:%Y-%m-%d}, USD per million tokens",
        title_justify="left",
        box=box_style(),
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
            *(money(row[unit]) for unit in _COLUMNS),
            row["free"] or ", ".join(f"{usd} a {unit}" for unit, usd in row["items"].items()),
        )
    _print(table, rows=rows)


def _print(table: Any, *, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table on a terminal, and columns between tabs into a pipe."""
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    for row in rows:
        cells = (row["provider"], row["model"], *(money(row[unit]) for unit in _COLUMNS))
        print("\t".join(cells))
