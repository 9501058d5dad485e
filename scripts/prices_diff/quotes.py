"""One price of one model, as a table states it: the common form of every table that is compared."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from llmitm_pricing.units import FEE_UNITS, TOKEN_UNITS

MILLION, THOUSAND = Decimal(10**6), Decimal(10**3)


class Facts(NamedTuple):
    """What a price holds for, beside its model."""

    prompt: int = 0
    """The smallest prompt in tokens."""
    tier: str | None = None
    geo: str | None = None
    speed: str | None = None
    host: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        words = [
            self.tier,
            self.geo,
            self.speed,
            self.host,
            *(value for _, value in self.attributes),
        ]
        if self.prompt:
            words.append(f"from {self.prompt:,} tokens")
        return ", ".join(word for word in words if word)


class Quote(NamedTuple):
    """A price by somebody's table."""

    source: str
    provider: str
    """As our files are called."""
    model: str
    """As on the wire."""
    unit: str
    usd: Decimal
    """For a million tokens, for a thousand of what is a fee, for one of anything else."""
    facts: Facts = Facts()
    since: str = ""
    """The day from which it holds, where the table has history; the newest is compared."""


def per(unit: str) -> Decimal:
    """Return for how many of a unit our table states its price."""
    if unit in TOKEN_UNITS:
        return MILLION
    return THOUSAND if unit in FEE_UNITS else Decimal(1)
