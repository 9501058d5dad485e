"""`llmitm budget show`: everything about one budget."""

from __future__ import annotations

import argparse
import time

from llmitm import budget_book
from llmitm.cli.budget.common import bar, book, named, record
from llmitm.policy.budget_words import resets, usd


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    with book() as found:
        budget = named(found, arguments.name)
        now = time.time()
        states = budget_book.states(found.ledger, [budget], now, found.zone)
        if arguments.json:
            from llmitm.cli.output import as_json

            as_json([record(found, state) for state in states], "json")
            return 0
        where = "made by hand" if budget.name in found.made else "from the settings"
        print(f"{budget.name}: {usd(budget.limit_nanousd)} per {budget.per}, {where}")
        print(f"  for       {budget.describe() or 'all calls'}")
        print(f"  at limit  {budget.on_limit}; calls without a price: {budget.unpriced}")
        print(f"  warns at  {', '.join(f'{percent} %' for percent in budget.warn_at) or 'nothing'}")
        for state in states:
            print(f"  {bar(state.percent)}  {state.held.value}".rstrip())
            print(f"    spent     {usd(state.spent)}")
            if state.doubt:
                print(
                    f"    in doubt  {usd(state.doubt)} of it; llmitm budget release {budget.name}"
                )
            print(f"    reserved  {usd(state.reserved)}")
            print(f"    outlook   {resets(state, now, found.zone)}")
            if told := budget_book.outlook(found.ledger, state, now):
                print(f"              {told}")
    return 0
