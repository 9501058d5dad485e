"""The price table, read once for as long as its files stay as they are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llmitm.home import Home
from llmitm_pricing import PriceTable


def price_table(home: Home) -> PriceTable:
    """Return the table with the user's own files in it."""
    return _loaded(home.prices, _state(home.prices))


def _state(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return what changes when a file of the user's does."""
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    return tuple((file.name, file.stat().st_mtime_ns) for file in files)


@lru_cache(maxsize=2)
def _loaded(folder: Path, state: tuple[tuple[str, int], ...]) -> PriceTable:
    return PriceTable.load(own=folder)
