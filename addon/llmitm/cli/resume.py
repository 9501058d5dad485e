"""`llmitm resume`: let a run go on whose calls are held."""

from __future__ import annotations

import argparse
import time

from llmitm.errors import LlmitmError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `resume` to the command line."""
    parser = subparsers.add_parser(
        "resume", help="let a run go on that is held", description=__doc__
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("held", nargs="?", metavar="RUN", help="as llmitm runaways shows it")
    which.add_argument("--all", action="store_true", help="every run that is held")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.runaways import RunawayFile

    file, now = RunawayFile(home().runaways), time.time()
    resumed = file.resume(None if arguments.all else arguments.held, now)
    if not resumed and not arguments.all:
        held = ", ".join(each.run for each in file.holds(now)) or "none"
        raise LlmitmError(f"no run {arguments.held!r} is held; held are: {held}")
    for run in resumed:
        print(f"{run} goes on")
    if not resumed:
        print("No run is held.")
    return 0
