"""`llmitm price recalc`: logged calls priced again, by the price files as they are now."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from functools import partial

from llmitm import pricing
from llmitm.cli.filtering import wanted
from llmitm.cli.output import Column, calls, count, difference, money, progress, table
from llmitm.cli.price.common import prices
from llmitm.errors import StoreError
from llmitm.home import home
from llmitm.store.repricing import Changes, Repricing, repricing

_COLUMNS = (
    Column("provider", style="dim"),
    Column("model", wide=True),
    Column("calls", right=True),
    Column("old", right=True),
    Column("new", right=True, style="green"),
    Column("difference", right=True),
    Column("unpriced", right=True, style="yellow"),
)


def run(arguments: argparse.Namespace) -> int:
    """Do it, and print what changed by model."""
    with prices(check=True) as price_table:
        price = partial(pricing.price, table=price_table)
        write = not arguments.dry_run
        try:
            with (
                repricing(home().database, wanted(arguments), price, write=write) as work,
                progress(len(work), "pricing") as advance,
            ):
                for done in work.steps():
                    advance(done)
        except sqlite3.Error as error:
            raise StoreError(
                f"the log cannot be written: {error}; what is done stays, begin again to go on"
            ) from error
    if arguments.json:
        _print_json(work, dry_run=arguments.dry_run)
    else:
        _print(work, dry_run=arguments.dry_run)
    return 0


def _print(work: Repricing, *, dry_run: bool) -> None:
    found = sorted(work.models.items(), key=lambda item: -abs(_more(item[1])))
    whole = Changes()
    for _, changes in found:
        whole.calls += changes.calls
        whole.old_nanousd += changes.old_nanousd
        whole.new_nanousd += changes.new_nanousd
        whole.unpriced_before += changes.unpriced_before
        whole.unpriced_now += changes.unpriced_now
    if found:
        rows = [(provider, model or "–", *_cells(changes)) for (provider, model), changes in found]
        table(_COLUMNS, rows, total=("total", "", *_cells(whole)))
    would = "would change" if dry_run else "changed"
    told = [f"{calls(whole.calls)} of {count(len(work))} {would}"]
    if work.rechecked:
        told.append(f"{count(work.rechecked)} keep their cost with another cross-check or reason")
    if work.without_basis:
        told.append(
            f"{count(work.without_basis)} keep their price: they do not tell all that it rests on"
        )
    print("; ".join(told), file=sys.stderr)


def _cells(changes: Changes) -> tuple[str, ...]:
    unpriced = (changes.unpriced_before, changes.unpriced_now)
    return (
        count(changes.calls),
        money(changes.old_nanousd),
        money(changes.new_nanousd),
        difference(_more(changes)),
        " → ".join(map(count, unpriced)) if any(unpriced) else "–",
    )


def _more(changes: Changes) -> int:
    return changes.new_nanousd - changes.old_nanousd


def _print_json(work: Repricing, *, dry_run: bool) -> None:
    models = [
        {
            "provider": provider,
            "model": model or None,
            "calls": changes.calls,
            "old_nanousd": changes.old_nanousd,
            "new_nanousd": changes.new_nanousd,
            "difference_nanousd": _more(changes),
            "unpriced_before": changes.unpriced_before,
            "unpriced_now": changes.unpriced_now,
        }
        for (provider, model), changes in work.models.items()
    ]
    told = {
        "dry_run": dry_run,
        "calls": len(work),
        "changed": sum(changes.calls for changes in work.models.values()),
        "rechecked": work.rechecked,
        "without_basis": work.without_basis,
        "models": models,
    }
    print(json.dumps(told, ensure_ascii=False, indent=2))
