"""Price files written for a test."""

from __future__ import annotations

from pathlib import Path

from llmitm_pricing import PriceTable

HEAD = 'schema = 1\nprovider = "{name}"\n'


def write(folder: Path, text: str, name: str = "acme") -> Path:
    """Write the price file of a provider, with its head."""
    path = folder / f"{name}.toml"
    path.write_text(HEAD.format(name=name) + text, encoding="utf-8")
    return path


def table(folder: Path, text: str, name: str = "acme") -> PriceTable:
    """Return a table of one price file."""
    write(folder, text, name)
    return PriceTable.load(folder)
