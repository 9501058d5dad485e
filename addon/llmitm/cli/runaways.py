"""`llmitm runaways`: runs that ran away, and those whose calls are held."""

from __future__ import annotations

import argparse
import shlex
import time

from llmitm.cli.output import Column, add_forms, as_json, clock, table

_SHOWN = 20
_COLUMNS = (
    Column("run", style="cyan"),
    Column("seen", style="dim"),
    Column("what", wide=True),
    Column("state", style="yellow"),
    Column("next"),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `runaways` to the command line."""
    parser = subparsers.add_parser(
        "runaways",
        aliases=["holds"],
        help="runs that go in circles or spend far more than usual",
        description=__doc__,
    )
    parser.add_argument("--held", action="store_true", help="only runs whose calls are held")
    parser.add_argument("-n", type=int, default=_SHOWN, metavar="N", help="how many at most")
    parser.add_argument("--utc", action="store_true", help="times in UTC")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.runaways import RunawayFile

    file, now = RunawayFile(home().runaways), time.time()
    held = file.holds(now)
    names = {each.run for each in held}
    found = held if arguments.held else file.newest(max(0, arguments.n))
    if arguments.form:
        records = [
            {**each._asdict(), "is_held": each.run in names and each.resumed_at is None}
            for each in found
        ]
        as_json(records, arguments.form)
        return 0
    if not found:
        print("No run is held." if arguments.held else "No run has run away.")
        return 0
    rows = []
    for each in found:
        is_held = each.action == "hold" and each.resumed_at is None and each.run in names
        state = "held" if is_held else "resumed" if each.resumed_at is not None else "warned"
        if state == "warned" and each.action == "hold":
            state = "over"
        verb = f"resume {shlex.quote(each.run)}" if is_held else f"ls {each.look}"
        seen = clock(int(each.at * 1000), utc=arguments.utc)
        rows.append((each.run, seen, each.words, state, f"llmitm {verb}"))
    table(_COLUMNS, rows)
    return 0
