"""`llmitm retries`: what was tried again, by which layer, how many calls that became, and what it took.

`sdk` is the client's SDK, which numbers its retries; `program` asks the same again after a failure; `proxy` is llmitm.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, count, money, span, table

if TYPE_CHECKING:
    from llmitm.store.reader import Record

_FIGURES = (
    Column("asked", right=True),
    Column("calls", right=True),
    Column("sdk", right=True),
    Column("program", right=True),
    Column("proxy", right=True),
    Column("layered", right=True, style="red"),
    Column("waited", right=True, style="dim"),
    Column("lost", right=True, style="yellow"),
    Column("cost", right=True, style="green"),
    Column("wasted", right=True, style="red"),
)

_LAYERS = ("by_sdk", "by_program", "by_proxy", "layered")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `retries` to the command line."""
    parser = subparsers.add_parser(
        "retries", help="what was tried again, by whom, what it took", description=__doc__
    )
    parser.add_argument(
        "--by",
        default="client,provider,model",
        metavar="WHAT[,WHAT]",
        help="hour, day, month, model, provider, user, client, run, session, program, property:NAME and others",
    )
    add_filters(parser)
    parser.add_argument("--utc", action="store_true", help="days of UTC")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    by = [name.strip() for name in arguments.by.split(",") if name.strip()]
    with reading(home().database) as log:
        rows = log.retries(wanted(arguments), by, utc=arguments.utc)
    if arguments.form:
        names = {f"by{number}": name for number, name in enumerate(by)}
        records = [{names.get(key, key): value for key, value in row.items()} for row in rows]
        as_json(records, arguments.form)
        return 0
    if not rows:
        print("Nothing was tried again.")
        return 0
    columns = [*(Column(name, style="cyan") for name in by), *_FIGURES]
    shown = [(*_values(row, len(by)), *_figures(row)) for row in rows]
    footer = ["total", *[""] * len(by)][: len(by)]
    table(columns, shown, total=[*footer, *_figures(_total(rows, len(by)))])
    return 0


def _total(rows: Sequence[Record], dimensions: int) -> Record:
    """Return what all rows add up to: each call is in one of them."""
    figures = rows[0].keys() - {f"by{number}" for number in range(dimensions)}
    return {name: sum(row[name] for row in rows) for name in figures}


def _values(row: Record, dimensions: int) -> Sequence[str]:
    return [str(row[f"by{number}"] or "–") for number in range(dimensions)]


def _figures(row: Record) -> tuple[str, ...]:
    return (
        count(row["questions"]),
        count(row["calls"]),
        *(count(row[name]) if row[name] else "–" for name in _LAYERS),
        span(row["waited_ms"]),
        span(row["lost_ms"]),
        money(row["cost_nanousd"]),
        money(row["wasted_nanousd"]),
    )
