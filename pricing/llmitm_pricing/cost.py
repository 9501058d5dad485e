"""What pricing a call gives: `Cost` with its working, or `Unpriced` with the reason.

Amounts are exact decimals in USD; the parts of a cost add up to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple


class Line(NamedTuple):
    """One line of the working: `amount = quantity * price / per`."""

    unit: str
    quantity: Decimal
    price: Decimal
    """USD for `per` units, after every variant and modifier."""
    per: Decimal
    amount: Decimal

    def with_more(self, other: Line) -> Line:
        """Return this line with another of the same price added."""
        return self._replace(
            quantity=self.quantity + other.quantity, amount=self.amount + other.amount
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs, in USD."""

    usd: Decimal
    price_id: str
    """The dated block that was used: `provider/model`, with `@date` where the block has a first day."""
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    """USD by unit; `input` and `output` are what no child of theirs names."""
    working: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    """Why it is free, what was left out, and which of the provider's numbers were odd."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A call whose cost cannot be known from the table."""

    reason: str
