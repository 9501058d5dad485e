"""Compare our price table with genai-prices, litellm and models.dev, as they are installed from their registries.

Prints who says what and writes nothing. Exit code 1 where a difference is not listed in differences.toml.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, date, datetime, time
from pathlib import Path

from rich.console import Console

from llmitm_pricing import PriceTable
from prices_diff import show
from prices_diff.compare import compare, idle, reasons, unexplained
from prices_diff.sources import PACKAGES, Unavailable, quotes


def main() -> int:
    """Return 0 where every difference is explained, 1 where one is not, 3 where a table cannot be had."""
    parser = argparse.ArgumentParser(prog="scripts/prices-diff", description=__doc__)
    parser.add_argument("provider", nargs="?", help="list the differences of this one")
    parser.add_argument("--all", action="store_true", help="list every difference")
    parser.add_argument("--newest", action="store_true", help="the newest tables, not those listed")
    parser.add_argument("--at", type=date.fromisoformat, metavar="DATE", help="prices of this day")
    options = parser.parse_args()
    at = datetime.combine(options.at or datetime.now(UTC).date(), time(12), UTC)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    versions = dict.fromkeys(PACKAGES, "") if options.newest else PACKAGES
    with tempfile.TemporaryDirectory(prefix="llmitm-prices-") as folder:
        try:
            with console.status("installing the other tables"):
                told = quotes(Path(folder), versions)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 3
    report = compare(PriceTable.load(), told, at)
    known = reasons()
    show.coverage(report, console)
    if options.all or options.provider:
        show.differences(report, known, console, provider=options.provider)
    open_ones = unexplained(report, known)
    for quote in open_ones:
        console.print(
            f"not explained: {quote.provider}/{quote.model} {quote.unit} {quote.facts}: "
            f"{quote.source} {show.money(quote.usd)}",
            soft_wrap=True,
            markup=False,
        )
    for reason in idle(report, known):
        console.print(f"explains nothing any more: {reason}", soft_wrap=True, markup=False)
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
