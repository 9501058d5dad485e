"""`llmitm budget ls`: all budgets, each with what is spent of it."""

from __future__ import annotations

import argparse
import sys
import time

from llmitm import budget_book
from llmitm.cli.budget.common import Book, bar, book, record
from llmitm.policy.budget_words import State, resets, usd


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    from llmitm.cli.output import Column, as_json, table

    with book() as found:
        now = time.time()
        states = budget_book.states(found.ledger, found.budgets, now, found.zone)
        if arguments.json:
            as_json([record(found, state) for state in states], "json")
            return 0
        if not found.budgets:
            print("there is no budget; llmitm budget set 20/day makes one", file=sys.stderr)
            return 0
        columns = [
            Column("budget"),
            Column(""),
            Column("spent", right=True),
            Column("reserved", right=True),
            Column("limit", right=True),
            Column("per"),
            Column("then"),
            Column("for", wide=True),
            Column("outlook", wide=True),
        ]
        table(columns, [_row(found, state, now) for state in states])
    return 0


def _row(found: Book, state: State, now: float) -> list[str]:
    budget = state.held.budget
    doubt = f" ({usd(state.doubt)} in doubt)" if state.doubt else ""
    told = budget_book.outlook(found.ledger, state, now) or resets(state, now, found.zone)
    return [
        state.name,
        bar(state.percent),
        usd(state.spent) + doubt,
        usd(state.reserved),
        usd(state.limit),
        budget.per,
        budget.on_limit,
        budget.describe(),
        told,
    ]
