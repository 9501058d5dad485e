"""How values look: tables on a terminal, plain columns in a pipe, JSON on demand."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from llmitm import harmless

if TYPE_CHECKING:
    from rich.table import Table

    from llmitm.store.reader import Sums

_NANO = Decimal(10**9)
_THOUSAND = 1_000
_SMALL = Decimal("0.0001")
_NAME, _WIDE = 16, 24
"""Characters that a name, and a column that takes what room is left, have at least."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    right: bool = False
    style: str | None = None
    wide: bool = False
    """Takes what room is left, and is cut where there is none."""
    least: int | None = None
    """Characters that it always has, so that tables below each other are one."""
    spare: int = 0
    """Left out where there is no room, the highest first; 0 never."""


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    total: Sequence[str] | None = None,
    header: bool = True,
    titles: bool = False,
) -> None:
    """Print rows: with rich on a terminal, as columns between tabs in a pipe.

    A pipe gets no heading, but where only the `titles` tell what a column is.
    """
    if not sys.stdout.isatty():
        if titles:
            print("\t".join(harmless.line(column.title) for column in columns))
        for row in rows:
            print("\t".join(map(harmless.line, row)))
        return
    from rich.console import Console
    from rich.padding import Padding

    made = drawn(columns, rows, total=total, header=header)
    # Without a heading there is no frame either, which has a space at its left.
    Console().print(made if header else Padding(made, (0, 0, 0, 1)))


def drawn(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    total: Sequence[str] | None = None,
    header: bool = True,
) -> Table:
    """Return a table for a terminal: figures are whole, names are cut, and what can be spared goes where there is no room."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=box.SIMPLE_HEAD if header else None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1) if header else (0, 2, 0, 0),
        collapse_padding=True,
        show_header=header,
        show_footer=total is not None,
    )
    cells = [[harmless.line(cell) for cell in row] for row in rows]
    footer = [harmless.line(cell) for cell in total] if total else None
    shown = _room(columns, [*cells, *([footer] if footer else [])])
    for number, width in shown.items():
        column = columns[number]
        made.add_column(
            Text(harmless.line(column.title)),
            footer=Text(footer[number]) if footer else "",
            footer_style="bold",
            justify="right" if column.right else "left",
            style=column.style,
            no_wrap=True,
            min_width=width,
            max_width=None if column.wide else width,
            overflow="ellipsis",
            ratio=1 if column.wide else None,
        )
    for row in cells:
        made.add_row(*(Text(row[number]) for number in shown))
    made.expand = any(columns[number].wide for number in shown)
    return made


def _room(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> dict[int, int]:
    """Return which columns there is room for, each with its width; what takes the rest has its least."""
    from rich.cells import cell_len

    whole, least = {}, {}
    for number, column in enumerate(columns):
        longest = max((cell_len(row[number]) for row in cells), default=0)
        whole[number] = max(longest, cell_len(column.title), column.least or 0)
        most = whole[number] if column.right else _WIDE if column.wide else _NAME
        least[number] = max(min(whole[number], most), column.least or 0)
    room = shutil.get_terminal_size().columns - 1
    spare = sorted(
        (number for number in least if columns[number].spare),
        key=lambda number: columns[number].spare,
    )
    while spare and sum(least.values()) + 2 * len(least) > room:
        del least[spare.pop()]
    left = room - sum(least.values()) - 2 * len(least)
    for number in least:
        if not columns[number].wide:
            more = max(0, min(left, whole[number] - least[number]))
            least[number] += more
            left -= more
    return least


def as_json(records: Sequence[Mapping[str, Any]], form: str) -> None:
    """Print records as `json` (one array), `jsonl` (one a line) or `csv`."""
    if form == "json":
        print(harmless.in_json(json.dumps(list(records), ensure_ascii=False, indent=2)))
    elif form == "jsonl":
        for record in records:
            print(harmless.in_json(json.dumps(record, ensure_ascii=False)), flush=True)
    elif records:
        writer = csv.DictWriter(sys.stdout, list(records[0]))
        writer.writeheader()
        for record in records:
            writer.writerow({name: _in_csv(value) for name, value in record.items()})


def _in_csv(value: object) -> object:
    if isinstance(value, (dict, list)):
        return harmless.in_json(json.dumps(value, ensure_ascii=False))
    return harmless.text(value) if isinstance(value, str) and sys.stdout.isatty() else value


def add_forms(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, `--jsonl` and `--csv`; the fields have the names that the log's columns have."""
    forms = parser.add_mutually_exclusive_group()
    for form, meaning in (
        ("json", "an array of JSON"),
        ("jsonl", "JSON, one a line"),
        ("csv", "CSV"),
    ):
        forms.add_argument(f"--{form}", action="store_const", const=form, dest="form", help=meaning)


@contextmanager
def progress(whole: int, title: str) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and give what is called with how much more is done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield partial(bar.advance, bar.add_task(title, total=whole))


def money(nanousd: int | None) -> str:
    """Return an amount with as many digits as it needs; `unpriced` where it is not known."""
    if nanousd is None:
        return "unpriced"
    usd = nanousd / _NANO
    if usd == 0:
        return "$0"
    if usd < _SMALL:
        return f"${usd:.7f}".rstrip("0")
    return f"${usd:,.4f}" if usd < 10 else f"${usd:,.2f}"


def money_in_short(nanousd: int | None) -> str:
    """Return an amount for a narrow place: from $10,000 on without cents, from a million on in millions."""
    if nanousd is None or nanousd < 10_000 * _NANO:
        return money(nanousd)
    usd = nanousd / _NANO
    return f"${usd:,.0f}" if usd < 1_000_000 else f"${usd / 1_000_000:,.2f}M"


def difference(nanousd: int) -> str:
    """Return what something costs more (`+$0.02`) or less (`-$0.02`)."""
    return f"{'-' if nanousd < 0 else '+'}{money(abs(nanousd))}" if nanousd else "$0"


def spent(sums: Sums) -> str:
    """Return what some calls cost together; where none of them has a price, that is not known."""
    return money(_known(sums))


def spent_in_short(sums: Sums) -> str:
    """Return the same for a narrow place."""
    return money_in_short(_known(sums))


def _known(sums: Sums) -> int | None:
    return None if sums.unpriced == sums.calls else sums.cost_nanousd


def count(number: int | None) -> str:
    """Return a number of tokens or calls, short: `950`, `41.2k`, `1.9M`."""
    if number is None:
        return "–"
    if number < 10_000:
        return f"{number:,}"
    for unit in ("k", "M", "G"):
        number_ = number / _THOUSAND ** ("kMG".index(unit) + 1)
        if number_ < 999.95:
            return f"{number_:.1f}{unit}"
    return f"{number:,}"


def calls(number: int) -> str:
    """Return a number of calls in words."""
    return "1 call" if number == 1 else f"{count(number)} calls"


def share(part: int | None, whole: int | None) -> str:
    """Return a share in percent."""
    return f"{part / whole:.0%}" if part and whole else "–"


def seconds(milliseconds: float | None) -> str:
    """Return a time in seconds."""
    if milliseconds is None:
        return "–"
    return f"{milliseconds / 1000:.2f}s" if milliseconds < 10_000 else f"{milliseconds / 1000:.0f}s"


def span(milliseconds: float | None) -> str:
    """Return a length of time in its two largest units: `0.4s`, `12s`, `3m 20s`, `5h 12m`, `2d 3h`."""
    if milliseconds is None:
        return "–"
    if milliseconds < 10_000:
        return f"{milliseconds / 1000:.1f}s"
    left = round(milliseconds / 1000)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(f"{amount}{unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0"))


def clock(milliseconds: int, *, utc: bool = False) -> str:
    """Return a time of day; with its date where it is not today's."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    now = datetime.now(UTC)
    if not utc:
        at, now = at.astimezone(), now.astimezone()
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M")
