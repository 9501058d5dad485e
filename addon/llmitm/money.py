"""Money as it is kept: whole nano-dollars, rounded in this one place."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import overload

_NANO = Decimal(10**9)
_NANO_USD = Decimal("1e-9")


@overload
def nano(usd: Decimal) -> int: ...
@overload
def nano(usd: Decimal | None) -> int | None: ...
def nano(usd: Decimal | None) -> int | None:
    """Return an amount in nano-dollars, rounded half to even."""
    return None if usd is None else int((usd * _NANO).to_integral_value(ROUND_HALF_EVEN))


@overload
def dollars(nanousd: int) -> Decimal: ...
@overload
def dollars(nanousd: int | None) -> Decimal | None: ...
def dollars(nanousd: int | None) -> Decimal | None:
    """Return nano-dollars in dollars, exact."""
    return None if nanousd is None else nanousd * _NANO_USD
