"""What the verbs of `llmitm price` have in common: the price table, days, and how figures look."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from llmitm.cli.working import exact
from llmitm.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from llmitm_pricing import PriceTable
    from llmitm_pricing.schema import Item, Model, Price
    from llmitm_pricing.table import PricedModel


@contextmanager
def prices(*, check: bool = False) -> Iterator[PriceTable]:
    """Give the price table, with the user's own files before it. Raises `SettingsError` where one is wrong.

    `check` reads every file first: one that is wrong must not make calls unpriced.
    """
    from llmitm.home import home
    from llmitm_pricing import PriceFileError, PriceTable

    try:
        table = PriceTable.load(own=home().prices)
        if check:
            table.check()
        yield table
    except PriceFileError as error:
        raise SettingsError(str(error)) from error


def day(text: str) -> datetime:
    """Return the noon of a day, UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time(12), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, such as 2026-05-01") from None


def find(table: PriceTable, name: str, provider: str | None) -> Iterator[tuple[str, PricedModel]]:
    """Yield a model with one provider, or with all that have it in a file of their own."""
    for candidate in [provider] if provider else table.providers():
        found = table.find(name, candidate)
        # A file that takes any name (a server on one's own machine) knows nothing of this one.
        if found and (
            provider or (found.file.provider == candidate and "*" not in found.entry.match)
        ):
            yield candidate, found


def none_found(table: PriceTable, model: str, provider: str | None) -> str:
    """Return what to say of a model without a price, with names that are near to it."""
    known = [
        entry.id
        for name in ([provider] if provider else table.providers())
        for file in table.files(name)
        for entry in file.model
    ]
    near = get_close_matches(model.casefold(), dict.fromkeys(known), n=3)
    hint = f"; near it: {', '.join(near)}" if near else ""
    return f"no price for model {model!r}{hint}"


def price_at(model: Model, at: datetime) -> Price | None:
    """Return the price that holds at a moment."""
    for price in reversed(model.price):
        if price.starts is None or price.starts <= at:
            return price if price.until is None or at < price.until else None
    return None


def span(item: Item) -> str:
    """Return the price of an item, or the least and the most it can be."""
    per = f" for {item.per:,f}" if item.per != 1 else ""
    if not isinstance(item.usd, dict):
        return f"{money(item.usd)}{per}"
    return f"{money(min(item.usd.values()))} to {money(max(item.usd.values()))}{per}"


def money(usd: Decimal | None) -> str:
    """Return a price with all its digits."""
    return "–" if usd is None else exact(usd)


def plain(value: object) -> object:
    """Return a value as JSON has it."""
    return float(value) if isinstance(value, Decimal) else str(value)


def console() -> Console:
    """Return where to print; into a pipe lines are not cut to the width of a terminal."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def box_style() -> Any:
    """Return how tables are drawn."""
    from rich import box

    return box.SIMPLE_HEAD
