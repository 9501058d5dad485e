"""`llmitm budget release`: give back what calls without an answer are taken to have cost."""

from __future__ import annotations

import argparse

from llmitm.cli.budget.common import book, named
from llmitm.policy.budget_words import usd


def run(arguments: argparse.Namespace) -> int:
    """Give it back."""
    with book() as found:
        named(found, arguments.name)
        print(f"given back: {usd(found.ledger.forgive(arguments.name))}")
    return 0
