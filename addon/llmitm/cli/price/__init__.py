"""`llmitm price`: what models cost, and what the log would cost with other prices or another model."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable

from llmitm.cli.filtering import add_filters, moment, span
from llmitm.cli.price.common import day
from llmitm.cli.price.units import add_usage


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `price` to the command line."""
    parser = subparsers.add_parser("price", help="what models cost", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    listing = verbs.add_parser("ls", help="list models and their prices")
    listing.add_argument("text", nargs="?", help="only models whose name contains this")
    listing.set_defaults(run=_verb("listing"))

    showing = verbs.add_parser("show", help="everything about one model, with its history")
    showing.add_argument("model", help="a name as on the wire")
    add_usage(showing)
    showing.set_defaults(run=_verb("showing"))

    for verb in (listing, showing):
        verb.add_argument("--provider", help="only this provider")
        verb.add_argument(
            "--at", type=day, metavar="DATE", help="prices of this day, such as 2026-05-01 (UTC)"
        )

    check = verbs.add_parser("check", help="what is unpriced, out of date, or charged otherwise")
    check.add_argument("--since", type=moment, metavar="WHEN", help="only calls of this time on")
    check.add_argument("--all", action="store_true", help="also price files that no call needed")
    check.set_defaults(run=_verb("check"))

    recalc = verbs.add_parser("recalc", help="price logged calls again, by today's price files")
    recalc.add_argument("--dry-run", action="store_true", help="say what would change")
    add_filters(recalc)
    recalc.set_defaults(run=_verb("recalc"))

    whatif = verbs.add_parser(
        "whatif", help="what the log would have cost on another model, in another tier, or cached"
    )
    whatif.add_argument("--model", dest="target", help="the other model, as on the wire")
    whatif.add_argument("--tier", help="another tier, such as batch, flex or priority")
    whatif.add_argument(
        "--cached",
        type=span,
        metavar="TIME",
        help="with our cache on, its answers kept so long, such as 1h or 7d",
    )
    whatif.add_argument("--provider", dest="target_provider", help="who serves it")
    add_filters(whatif, model="--of", provider="--of-provider")
    whatif.set_defaults(run=_verb("whatif"))

    for verb in (listing, showing, check, recalc, whatif):
        verb.add_argument("--json", action="store_true", help="print JSON")


def _verb(name: str) -> Callable[[argparse.Namespace], int]:
    """Return what runs a verb; its module is imported when it runs."""

    def run(arguments: argparse.Namespace) -> int:
        return int(importlib.import_module(f"{__name__}.{name}").run(arguments))

    return run
