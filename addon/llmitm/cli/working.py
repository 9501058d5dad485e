"""How a price was worked out, line by line: the same for a logged call as for one that is only thought of."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmitm_pricing import Cost, Unpriced


def lines(priced: Cost | Unpriced) -> Iterator[str]:
    """Yield the working as text: unit, quantity, price, amount, and their sum."""
    from llmitm_pricing import Unpriced

    if isinstance(priced, Unpriced):
        yield f"unpriced: {priced.reason}"
        return
    rows = [
        (
            line.unit.replace("_", " "),
            f"{line.quantity:,f}",
            f"× {exact(line.price)}" + (f" / {line.per:,f}" if line.per != 1 else ""),
            f"${exact(line.amount)}",
        )
        for line in priced.working
    ]
    rows.append(("sum", "", "", f"${exact(priced.usd)}"))
    unit, quantity, price, amount = (max(map(len, column)) for column in zip(*rows, strict=True))
    for number, row in enumerate(rows, 1):
        text = f"{row[0]:<{unit}}  {row[1]:>{quantity}} {row[2]:<{price}}  {row[3]:<{amount}}"
        yield f"{text}  {priced.price_id}" if number == len(rows) else text.rstrip()
    for note in priced.notes:
        yield f"note: {note}"


def document(priced: Cost | Unpriced) -> dict[str, Any]:
    """Return the working for JSON; amounts are text, so that no digit is lost."""
    from llmitm_pricing import Unpriced

    if isinstance(priced, Unpriced):
        return {"usd": None, "unpriced_reason": priced.reason}
    return {
        "usd": exact(priced.usd),
        "price_id": priced.price_id,
        "lines": [
            {
                "unit": line.unit,
                "quantity": exact(line.quantity),
                "price": exact(line.price),
                "per": exact(line.per),
                "amount": exact(line.amount),
            }
            for line in priced.working
        ],
        "notes": list(priced.notes),
    }


def exact(number: Decimal) -> str:
    """Return a number with all its digits, and no more."""
    return f"{number.normalize():f}"
