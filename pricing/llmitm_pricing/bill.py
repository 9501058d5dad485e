"""From quantities and prices to lines: tokens, then fees, then everything that is measured otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from llmitm_pricing.blocks import Rates
from llmitm_pricing.cost import Cost, Line
from llmitm_pricing.schema import Item
from llmitm_pricing.units import FEE_UNITS, ITEM_UNITS, TOKEN_UNITS, Quantity, exact

_ZERO = Decimal(0)
_ONE = Decimal(1)
_THOUSAND = Decimal(1000)
_MILLION = Decimal(1_000_000)
# A product is exact where a quotient need not be, and quicker.
_THOUSANDTH = Decimal("0.001")
_MILLIONTH = Decimal("0.000001")
_TOKENS = frozenset(TOKEN_UNITS)
_FEES = frozenset(FEE_UNITS)
_UNITS = frozenset((*TOKEN_UNITS, *FEE_UNITS, *ITEM_UNITS))


class Bill:
    """The lines of one call. Each step returns the reason where something cannot be priced."""

    __slots__ = ("_lines", "_priced", "notes")

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self._priced = False
        self._lines: list[Line] = []

    def tokens(
        self, counts: Mapping[str, Decimal], rates: Rates, usage: Mapping[str, Quantity]
    ) -> str | None:
        """Price the tokens; `usage` tells a call without counts from one with counts of zero."""
        prices = rates.tokens
        if not prices:
            return None
        if _TOKENS.isdisjoint(usage):
            # Every call is a request: a fee for it says nothing of what else was charged.
            told = any(usage.get(unit) for unit in rates.items if unit != "request")
            return None if told else "the provider reported no usage"
        self._priced = True
        for unit, count in counts.items():
            price = prices.get(unit)
            if price is not None:
                self._lines.append(Line(unit, count, price, _MILLION, count * price * _MILLIONTH))
            # Citations are charged by one model alone: where they have no price there is no charge.
            elif unit != "citation":
                return f"the model has no price for {unit} tokens"
        return None

    def fees(
        self, usage: Mapping[str, Quantity], rates: Rates, left_out: Mapping[str, str]
    ) -> str | None:
        """Price what the provider's own tools did."""
        for unit, quantity in usage.items():
            if unit in _TOKENS or not quantity:
                continue
            price = rates.fees.get(unit)
            if price is not None:
                count = exact(quantity)
                self._lines.append(Line(unit, count, price, _THOUSAND, count * price * _THOUSANDTH))
            elif unit in left_out:
                self.notes.append(f"{unit} is left out: {left_out[unit]}")
            elif unit in _FEES:
                return f"the model has no price for {unit}"
            elif unit not in _UNITS:
                self.notes.append(f"{unit} is no unit of the price table")
        return None

    def items(
        self, usage: Mapping[str, Quantity], rates: Rates, attributes: Mapping[str, str]
    ) -> str | None:
        """Price images, seconds, characters and the like."""
        for unit, item in rates.items.items():
            quantity = usage.get(unit)
            if quantity is None:
                continue
            price = _item_price(item, attributes)
            if isinstance(price, str):
                return price
            count = max(exact(quantity), item.minimum)
            amount = count * price if item.per == _ONE else count * price / item.per
            self._lines.append(Line(unit, count, price, item.per, amount))
            self._priced = True
        return None

    def nothing(self, rates: Rates) -> str | None:
        """Return what the price goes by, where the call told nothing of it."""
        if self._priced:
            return None
        return f"the model is priced by {' and '.join(rates.items)}, which the call does not tell"

    def cost(self, price_id: str) -> Cost:
        """Add the lines up."""
        parts = {line.unit: line.amount for line in self._lines}
        return Cost(
            sum(parts.values(), _ZERO), price_id, parts, tuple(self._lines), tuple(self.notes)
        )


def _item_price(item: Item, attributes: Mapping[str, str]) -> Decimal | str:
    """Return the price of one unit, or why there is none."""
    if not isinstance(item.usd, dict):
        return item.usd
    values = [attributes.get(name) or item.default.get(name, "?") for name in item.by]
    price = item.usd.get(" ".join(values))
    if price is not None:
        return price
    told = ", ".join(f"{name} {value!r}" for name, value in zip(item.by, values, strict=True))
    return f"no price for one {item.unit} of {told}"
