"""Run real programs through `llmitm run` against the local provider, and print what was captured of each.

Exit code 1 where a call is missing or wrong, 3 where nothing could be installed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from programs.catalogue import PROGRAMS, Package, Program
from programs.install import Installed, Unavailable, install
from programs.isolation import leave_networks
from programs.measure import Measured, measure


def main() -> int:
    """Install, leave the network, run, compare, print."""
    parser = argparse.ArgumentParser(prog="scripts/clients", description=__doc__)
    parser.add_argument("program", nargs="*", help="the beginning of a name; none means all")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="install here, and leave it")
    parser.add_argument(
        "--online",
        action="store_true",
        help="go on where this process cannot be cut off from the network",
    )
    options = parser.parse_args()
    names = tuple(options.program)
    chosen = [each for each in PROGRAMS if not names or each.name.startswith(names)]
    if not chosen:
        parser.error(f"there are {', '.join(each.name for each in PROGRAMS)}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    with tempfile.TemporaryDirectory(prefix="llmitm-clients-") as folder:
        found = _install(chosen, options.keep or Path(folder), console)
        if not found:
            return 3
        fault = leave_networks()
        if fault and not options.online:
            print(f"The programs may reach the network: {fault}. --online accepts that.")
            return 3
        return _measure(chosen, found, console)


def _install(
    chosen: list[Program], place: Path, console: Console
) -> dict[tuple[str, ...], Installed]:
    found = {}
    for package in {_key(each.package): each.package for each in chosen}.values():
        try:
            # Without a live display: the process must have one thread when it leaves the network.
            console.print(f"installing {package.names[0]}", style="dim")
            found[_key(package)] = install(package, place)
        except Unavailable as error:
            console.print(f"not to be had: {error}", markup=False)
    return found


def _key(package: Package) -> tuple[str, ...]:
    return tuple(package.names)


def _measure(
    chosen: list[Program], found: dict[tuple[str, ...], Installed], console: Console
) -> int:
    table = Table(
        "client", "version", "calls", "captured", "right", "failed", "s", "replayed", "to be set"
    )
    wrong = []
    for program in chosen:
        installed = found.get(_key(program.package))
        if installed is None:
            table.add_row(program.name, "not installed")
            continue
        measured = measure(program, installed.binary)
        table.add_row(program.name, installed.version, *_cells(measured), program.needs)
        if not measured.fine or measured.sent < 1 + program.tool:
            wrong.append(
                f"{program.name}: exit code {measured.exit_code}: {measured.last_line}"
                f" · replayed: {measured.replayed}"
            )
    console.print(table)
    for line in wrong:
        console.print(line, markup=False, soft_wrap=True)
    return int(bool(wrong))


def _cells(measured: Measured) -> tuple[str, ...]:
    counts = (measured.sent, measured.logged, measured.right, measured.other)
    replayed = measured.replayed if measured.replayed in ("–", "yes") else "no"
    return (*map(str, counts), f"{measured.seconds:.0f}", replayed)


if __name__ == "__main__":
    sys.exit(main())
