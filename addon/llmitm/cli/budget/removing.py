"""`llmitm budget rm`: remove a budget that was made by hand."""

from __future__ import annotations

import argparse

from llmitm.cli.budget.common import book, named
from llmitm.errors import LlmitmError


def run(arguments: argparse.Namespace) -> int:
    """Remove it; one of the settings with the same name then holds again."""
    with book() as found:
        if not found.ledger.define(arguments.name, None):
            named(found, arguments.name)
            raise LlmitmError(
                f"the budget {arguments.name} is from the settings file, and is removed there"
            )
    print(f"removed {arguments.name}")
    return 0
