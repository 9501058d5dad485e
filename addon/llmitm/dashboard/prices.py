"""The price table, read once for as long as the user's files stay as they are."""

from __future__ import annotations

from pathlib import Path

from llmitm.home import Home
from llmitm_pricing import PriceTable

_tables: dict[Path, PriceTable] = {}


def price_table(home: Home) -> PriceTable:
    """Return the table with the user's own files in it."""
    table = _tables.get(home.prices) or PriceTable.load(own=home.prices)
    if table.changed():
        table = table.reloaded()
    _tables[home.prices] = table
    return table
