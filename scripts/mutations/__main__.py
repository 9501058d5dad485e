"""Read mutated exchanges as the proxy does, and report what breaks, with what makes it again."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mutations import heavy
from mutations.check import Result
from mutations.run import Report, Task, run, tasks
from mutations.sources import RECORDINGS, Source, of_recordings, of_samples

_MB = 1024 * 1024
_SEED = 20261126
_COUNT = 210_000
_QUICK = 20_000
_MOST_SHOWN = 40


def main() -> int:
    """Return 1 where something broke."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("--recordings", type=Path, default=RECORDINGS, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--count", type=int, help=f"mutated inputs, else {_COUNT:,}")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{_QUICK:,} inputs, unless --count says how many, and none that is heavy",
    )
    parser.add_argument("--only", metavar="NAME", help="one input, by the name that a report gives")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    sources = [*of_samples(), *of_recordings(options.recordings)]
    if not any(options.recordings.glob("*.jsonl")):
        console.print(
            f"No recordings in {options.recordings}: only the samples of tests/wire are mutated. "
            "Name a folder of JSON lines with --recordings."
        )
    if options.only:
        return _only(sources, options.only, options.seed, console)
    usual = _QUICK if options.quick else _COUNT
    count = usual if options.count is None else options.count
    work = tasks(sources, count, () if options.quick else heavy.NAMES)
    start = time.monotonic()
    with console.status("starting") as status:

        def told(now: Report, new: Sequence[Result]) -> None:
            status.update(f"{now.inputs:,} inputs, {len(now.faults)} at fault")
            for result in new if len(now.faults) < _MOST_SHOWN else ():
                console.print(f"{result.name}: {', '.join(result.faults)}", markup=False)

        report = run(sources, work, options.seed, told=told)
    _show(report, options.seed, time.monotonic() - start, len(sources), console)
    return 1 if report.faults else 0


def _only(sources: list[Source], name: str, seed: int, console: Console) -> int:
    """Read one input, with the tracebacks of what it breaks."""
    logging.basicConfig()
    source, _, number = name.rpartition("#")
    wanted = [place for place, each in enumerate(sources) if each.name == source]
    if not wanted and name not in heavy.NAMES:
        console.print(f"no input is called {name}")
        return 2
    task = Task(wanted[0], range(int(number), int(number) + 1)) if wanted else Task(name)
    report = run(sources, [task], seed, processes=0)
    _show(report, seed, report.slowest[0].seconds, 1, console)
    return 1 if report.faults else 0


def _show(report: Report, seed: int, seconds: float, sources: int, console: Console) -> None:
    kinds: dict[str, list[Result]] = defaultdict(list)
    for result in report.faults:
        for fault in result.faults:
            kinds[fault[:100]].append(result)
    for fault, results in sorted(kinds.items(), key=lambda kind: -len(kind[1]))[:_MOST_SHOWN]:
        shortest = min(results, key=lambda each: each.size)
        console.print(
            f"{len(results):6,} × {fault}\n         scripts/mutate --seed {seed} --only {shortest.name!r}",
            markup=False,
        )
    console.print(
        f"{report.inputs:,} inputs of {sources:,} exchanges, seed {seed}, {seconds:.0f} s: {len(report.faults):,} at fault"
    )
    console.print(
        f"memory of a process: {report.base // _MB} MB at first, {report.peak // _MB} MB at most",
        markup=False,
    )
    if report.largest:
        console.print(
            f"  most was added by {report.largest.name}: {report.largest.grown // _MB} MB",
            markup=False,
        )
    for result in reversed(report.slowest):
        console.print(
            f"  slow: {result.seconds:.2f} s for {result.size / _MB:.2f} MB, {result.name}",
            markup=False,
        )


if __name__ == "__main__":
    sys.exit(main())
