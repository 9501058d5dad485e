"""Tolerant access to JSON whose shape nobody guarantees.

Every function takes any value and gives one type or nothing; none raises. `None` means "not there, or not of
that type", so an explicit 0 or "" stays what it is.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from llmitm.calls import Json

_MOST_THINGS = 10**12
_LARGEST_NUMBER = 10**15
"""What is more is nonsense: nobody sends a call of a trillion tokens. Taken for true it would be more than the
log's integers hold, or than their sums do.
"""


def mapping(value: Json) -> dict[str, Json]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Json) -> list[Json]:
    """Return an array, or an empty one."""
    return value if isinstance(value, list) else []


def first(value: Json) -> dict[str, Json]:
    """Return the first element of an array where it is an object, or an empty object."""
    return mapping(value[0]) if isinstance(value, list) and value else {}


def text(value: Json) -> str | None:
    """Return a string."""
    return value if isinstance(value, str) else None


def filled(value: Json) -> str | None:
    """Return a string that is not empty."""
    return value if isinstance(value, str) and value else None


def flag(value: Json) -> bool:
    """Return whether a value says yes; forms write it as text."""
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1"))


def number(value: Json) -> int | float | None:
    """Return a number that is not negative, finite and within reason."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= _LARGEST_NUMBER else None


def count(value: Json) -> int | None:
    """Return a number of things; some servers write whole numbers as floats."""
    if type(value) is int:  # the common case; a bool is not an int here
        return value if 0 <= value <= _MOST_THINGS else None
    found = number(value)
    return int(found) if found is not None and found <= _MOST_THINGS else None


def money(value: Json) -> Decimal | None:
    """Return an amount exactly as its text says, from a number or a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= _LARGEST_NUMBER else None


def total(*counts: int | None) -> int | None:
    """Add up the counts that are known; None where none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
