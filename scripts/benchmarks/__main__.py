"""Measure the proxies side by side and print what they need, as ratios."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.measure import FULL, QUICK, measure
from benchmarks.report import show
from benchmarks.targets import COMMANDS, started


def main() -> int:
    """Return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, for a first look")
    parser.add_argument("--only", action="append", choices=list(COMMANDS), help="measure this one")
    parser.add_argument("--json", type=Path, help="write the raw numbers there")
    options = parser.parse_args()
    names = options.only or list(COMMANDS)
    console = Console(width=None if sys.stdout.isatty() else 120)
    with (
        tempfile.TemporaryDirectory(prefix="llmitm-bench-") as folder,
        started(names, Path(folder)) as targets,
        console.status("starting") as status,
    ):
        results = measure(targets, QUICK if options.quick else FULL, status.update)
    if options.json:
        raw = {name: dataclasses.asdict(result) for name, result in results.items()}
        options.json.write_text(json.dumps(raw, indent=1))
    return 0 if show(results, console) else 1


if __name__ == "__main__":
    sys.exit(main())
