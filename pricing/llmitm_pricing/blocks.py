"""A dated block of a model's prices, made ready for use: conditions compiled, combinations remembered.

Variants apply in the order in which they are written: each that holds replaces the prices it names, or multiplies
all token prices; then the modifiers multiply. Fees of the files above the model's come last. So a long-context price
of the batch tier is one more variant, after both, and a plain factor needs no table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from llmitm_pricing.catalogue import Found
from llmitm_pricing.conditions import Condition, Context, Hours
from llmitm_pricing.schema import Item, Modifier, Price, PriceFile, Variant
from llmitm_pricing.units import FALLBACK, TOKEN_UNITS


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices that hold for one call."""

    tokens: Mapping[str, Decimal] = field(default_factory=dict)
    """USD per million, for every unit that has a price of its own or of its parents."""
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    items: Mapping[str, Item] = field(default_factory=dict)


class Block:
    """What a model costs for a while."""

    def __init__(self, found: Found, price: Price, modifiers: Sequence[Modifier]) -> None:
        file, model = found.source.file, found.model
        day = f"@{price.starts:%Y-%m-%d}" if price.starts else ""
        self.id = f"{file.provider}/{model.id}{day}"
        self.starts = price.starts
        self.until = price.until
        self.free = price.free
        self.left_out = {**file.left_out, **found.above.left_out}
        conditions = [variant.when for variant in price.variant]
        conditions += [modifier.when for modifier in modifiers]
        self.tiers = frozenset(word for when in conditions for word in when.get("tier", ()))
        self._price = price
        self._fees = {**file.fee, **price.fee}
        self._fees_above = found.above.fee
        self._variants = [_Variant(variant, file) for variant in price.variant]
        self._modifiers = [_Modifier(modifier) for modifier in modifiers]
        self._rates: dict[tuple[bool, ...], Rates] = {}

    def rates(self, context: Context, prompt: Decimal, at: datetime) -> Rates:
        """Return the prices for a call; `prompt` in tokens, `at` in UTC."""
        held = (
            *[variant.holds(context, prompt, at) for variant in self._variants],
            *[modifier.holds(context, at) for modifier in self._modifiers],
        )
        rates = self._rates.get(held)
        if rates is None:
            rates = self._rates[held] = self._combine(held)
        return rates

    def _combine(self, held: Sequence[bool]) -> Rates:
        tokens: dict[str, Decimal] = {**self._price.mtok}
        fees = {**self._fees}
        items: dict[str, Item] = {item.unit: item for item in self._price.item}
        for applies, variant in zip(held, self._variants, strict=False):
            if applies:
                tokens.update(variant.entry.mtok)
                fees.update(variant.entry.fee)
                items.update((item.unit, item) for item in variant.entry.item)
                if variant.entry.times is not None:
                    tokens = _multiply(tokens, variant.entry.times)
        for applies, modifier in zip(held[len(self._variants) :], self._modifiers, strict=True):
            if applies:
                tokens = _multiply(tokens, modifier.entry.times)
        return Rates(_fill(tokens), {**fees, **self._fees_above}, items)


class _Variant:
    __slots__ = ("_condition", "_hours", "entry")

    def __init__(self, variant: Variant, file: PriceFile) -> None:
        self.entry = variant
        self._condition = Condition(variant.when) if variant.when else None
        self._hours = Hours(file.calendar[variant.calendar]) if variant.calendar else None

    def holds(self, context: Context, prompt: Decimal, at: datetime) -> bool:
        least = self.entry.prompt_from
        return (
            (least is None or prompt >= least)
            and (self._condition is None or self._condition.holds(context))
            and (self._hours is None or self._hours.holds(at))
        )


class _Modifier:
    __slots__ = ("_condition", "entry")

    def __init__(self, modifier: Modifier) -> None:
        self.entry = modifier
        self._condition = Condition(modifier.when)

    def holds(self, context: Context, at: datetime) -> bool:
        starts, until = self.entry.starts, self.entry.until
        return (
            (starts is None or at >= starts)
            and (until is None or at < until)
            and self._condition.holds(context)
        )


def _multiply(prices: Mapping[str, Decimal], factor: Decimal) -> dict[str, Decimal]:
    return {unit: price * factor for unit, price in prices.items()}


def _fill(prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Give every unit without a price that of the nearest parent which has one."""
    filled: dict[str, Decimal] = {}
    for unit in TOKEN_UNITS:
        for name in (unit, *FALLBACK.get(unit, ())):
            if name in prices:
                filled[unit] = prices[name]
                break
    return filled
