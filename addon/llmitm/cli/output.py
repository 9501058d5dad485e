"""How values look: tables on a terminal, plain columns in a pipe, JSON on demand."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from llmitm.store.reader import Sums

_NANO = Decimal(10**9)
_THOUSAND = 1_000
_SMALL = Decimal("0.0001")


class Column(NamedTuple):
    """A column of a table."""

    title: str
    right: bool = False
    style: str | None = None
    wide: bool = False
    """Takes what room is left, and is cut where there is none."""


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, total: Sequence[str] | None = None
) -> None:
    """Print rows: with rich on a terminal, as columns between tabs in a pipe."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(cell.replace("\n", " ").replace("\t", " ") for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_footer=total is not None
    )
    for number, column in enumerate(columns):
        drawn.add_column(
            column.title,
            footer=total[number] if total else "",
            footer_style="bold",
            justify="right" if column.right else "left",
            style=column.style,
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if column.wide else None,
        )
    for row in rows:
        drawn.add_row(*(Text.from_ansi(cell.replace("\n", " ")) for cell in row))
    drawn.expand = any(column.wide for column in columns)
    Console().print(drawn)


def as_json(records: Sequence[Mapping[str, Any]], form: str) -> None:
    """Print records as `json` (one array), `jsonl` (one a line) or `csv`."""
    if form == "json":
        print(json.dumps(list(records), ensure_ascii=False, indent=2))
    elif form == "jsonl":
        for record in records:
            print(json.dumps(record, ensure_ascii=False), flush=True)
    elif records:
        writer = csv.DictWriter(sys.stdout, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


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


def difference(nanousd: int) -> str:
    """Return what something costs more (`+$0.02`) or less (`-$0.02`)."""
    return f"{'-' if nanousd < 0 else '+'}{money(abs(nanousd))}" if nanousd else "$0"


def spent(sums: Sums) -> str:
    """Return what some calls cost together; where none of them has a price, that is not known."""
    return money(None if sums.unpriced == sums.calls else sums.cost_nanousd)


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
