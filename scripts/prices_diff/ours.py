"""Our own table, asked for the price that a quote is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from llmitm_pricing import PriceTable
from llmitm_pricing.units import FEE_UNITS, TOKEN_UNITS
from prices_diff.quotes import Quote

_LEAST_PROMPT = 1000
CLOSE = Decimal("0.005")
"""Two prices are equal within this share of the larger: tables round."""


def current(quotes: Iterable[Quote], at: datetime) -> list[Quote]:
    """Return of each price with a history the one that holds at a moment."""
    day = f"{at:%Y-%m-%d}"
    newest: dict[tuple[object, ...], Quote] = {}
    for quote in quotes:
        key = (quote.source, quote.provider, quote.model, quote.unit, quote.facts)
        if quote.since <= day and (key not in newest or newest[key].since <= quote.since):
            newest[key] = quote
    return list(newest.values())


def told(quotes: Iterable[Quote]) -> list[Quote]:
    """Leave out the zeros of models that cost something: they say no more than that a unit does not occur."""
    listed = list(quotes)
    charged = {(quote.source, quote.provider, quote.model) for quote in listed if quote.usd}
    return [
        quote
        for quote in listed
        if quote.usd or (quote.source, quote.provider, quote.model) not in charged
    ]


def price(table: PriceTable, quote: Quote, at: datetime) -> Decimal | None:
    """Return our price for what is quoted; None where we have the model and no such price.

    Raises:
        KeyError: The model is not in our table.

    """
    found = table.find(quote.model, quote.provider)
    block = found.block(at) if found else None
    if block is None:
        raise KeyError(quote.model)
    if block.free:
        return Decimal(0)
    facts = quote.facts
    context = {
        **dict(facts.attributes),
        "tier": facts.tier,
        "inference_geo": facts.geo,
        "speed": facts.speed,
        "host": facts.host,
    }
    rates = block.rates(context, Decimal(max(facts.prompt, _LEAST_PROMPT)), at)
    if quote.unit in TOKEN_UNITS:
        return rates.tokens.get(quote.unit)
    if quote.unit in FEE_UNITS:
        return rates.fees.get(quote.unit)
    item = rates.items.get(quote.unit)
    if item is None:
        return None
    if not isinstance(item.usd, dict):
        return item.usd / item.per
    asked = dict(facts.attributes)
    usd = item.usd.get(" ".join(asked.get(name) or item.default.get(name, "?") for name in item.by))
    return usd / item.per if usd is not None else None


def close(one: Decimal, other: Decimal) -> bool:
    """Return whether two prices are the same but for rounding."""
    return abs(one - other) <= CLOSE * max(one, other)
