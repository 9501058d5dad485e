"""`llmitm budget`: what may be spent, in which time, on which calls. A proxy that runs takes changes up at once."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable

from llmitm.cli.options import add_tags

_MATCHED = ("provider", "model", "user", "session", "run", "key", "client")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `budget` to the command line."""
    parser = subparsers.add_parser("budget", help="what may be spent", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    setting = verbs.add_parser("set", help="make a budget, or change the one of that name")
    setting.add_argument(
        "amount", metavar="USD/PERIOD", help="20/day, 5/hour, 100/month, 2/total, or sliding: 3/24h"
    )
    setting.add_argument("--name", help="without it, it is named by what it is for")
    for name in _MATCHED:
        setting.add_argument(
            f"--{name}",
            dest=f"of_{name}",
            action="append",
            metavar="PATTERN",
            help=f"only calls of this {name}",
        )
    add_tags(setting)
    setting.add_argument("--each", metavar="WHAT", help="every user, model ... has it to itself")
    setting.add_argument(
        "--on-limit", metavar="WHAT", help="block (the default), warn or fallback:MODEL"
    )
    setting.add_argument(
        "--unpriced", metavar="WHAT", help="calls without a price: block, warn or what each counts"
    )
    setting.add_argument("--warn-at", metavar="PERCENT,…", help="50,80,90,100 by default")
    setting.add_argument(
        "--cut-streams", action="store_true", help="end a stream that would go beyond the limit"
    )
    setting.set_defaults(run=_verb("setting"))

    listing = verbs.add_parser("ls", help="all budgets and how they stand")
    showing = verbs.add_parser("show", help="everything about one budget")
    showing.add_argument("name", help="the budget's")
    removing = verbs.add_parser("rm", help="remove a budget that was made by hand")
    removing.add_argument("name", help="the budget's")
    releasing = verbs.add_parser(
        "release", help="give back what is in doubt: sent, but never answered"
    )
    releasing.add_argument("name", help="the budget's")
    for verb, module in (
        (listing, "listing"),
        (showing, "showing"),
        (removing, "removing"),
        (releasing, "releasing"),
    ):
        verb.set_defaults(run=_verb(module))
    for verb in (listing, showing):
        verb.add_argument("--json", action="store_true", help="print JSON")


def _verb(name: str) -> Callable[[argparse.Namespace], int]:
    """Return what runs a verb; its module is imported when it runs."""

    def run(arguments: argparse.Namespace) -> int:
        return int(importlib.import_module(f"{__name__}.{name}").run(arguments))

    return run
