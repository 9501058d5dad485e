"""`llmitm budget rm`: remove a budget that was made by hand."""

from __future__ import annotations

import argparse

from llmitm.cli.budget.common import Book, book, named
from llmitm.errors import LlmitmError


def run(arguments: argparse.Namespace) -> int:
    """Remove it."""
    with book() as found:
        remove(found, arguments.name)
    print(f"removed {arguments.name}")
    return 0


def remove(found: Book, name: str) -> None:
    """Remove a budget; one of the settings with the same name then holds again. Raises `LlmitmError`."""
    if not found.ledger.define(name, None):
        named(found, name)
        raise LlmitmError(f"the budget {name} is from the settings file, and is removed there")
