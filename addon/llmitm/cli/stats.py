"""`llmitm stats`: where the money went."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, as_json, count, money, seconds, share, spent, table

if TYPE_CHECKING:
    from llmitm.store.reader import Sums

_FIGURES = (
    Column("calls", right=True),
    Column("errors", right=True, style="red"),
    Column("in", right=True),
    Column("cached", right=True, style="dim"),
    Column("out", right=True),
    Column("cost", right=True, style="green"),
    Column("unpriced", right=True, style="yellow"),
    Column("mean", right=True, style="dim"),
)

type _Seldom = tuple[str, str, Callable[[int], str]]
_SELDOM: tuple[_Seldom, ...] = (
    ("retries", "retries", count),
    ("blocked", "blocked", count),
    ("cached calls", "cache_hits", count),
    ("saved", "saved_nanousd", money),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `stats` to the command line."""
    parser = subparsers.add_parser("stats", help="where the money went", description=__doc__)
    parser.add_argument(
        "--by",
        default="model",
        metavar="WHAT[,WHAT]",
        help="hour, day, month, model, provider, user, client, run, session, operation, outcome, status,"
        " program, directory, repository, branch, pid, arguments, property:NAME",
    )
    add_filters(parser)
    parser.add_argument("--utc", action="store_true", help="days of UTC")
    forms = parser.add_mutually_exclusive_group()
    for form in ("json", "jsonl", "csv"):
        forms.add_argument(f"--{form}", action="store_const", const=form, dest="form")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import as_mapping, reading

    by = [name.strip() for name in arguments.by.split(",") if name.strip()]
    with reading(home().database) as log:
        rows = log.sums(wanted(arguments), by, utc=arguments.utc)
        total = log.sums(wanted(arguments), utc=arguments.utc)
    if arguments.form:
        records = [dict(zip(by, sums.by, strict=True)) | dict(as_mapping(sums)) for sums in rows]
        as_json(records, arguments.form)
        return 0
    # What is seldom used has its columns where it was.
    seldom = [each for each in _SELDOM if any(getattr(sums, each[1]) for sums in total)]
    columns = [Column(name, style="cyan") for name in by] + list(_FIGURES)
    columns += [Column(title, right=True, style="dim") for title, _, _ in seldom]
    footer = ["" for _ in by]
    if footer:
        footer[0] = "total"
    table(
        columns,
        [(*(value or "–" for value in sums.by), *_figures(sums, seldom)) for sums in rows],
        total=[*footer, *_figures(total[0], seldom)] if total else None,
    )
    return 0


def _figures(sums: Sums, seldom: Sequence[_Seldom]) -> tuple[str, ...]:
    return (
        count(sums.calls),
        count(sums.errors) if sums.errors else "–",
        count(sums.input_tokens),
        share(sums.cached_input_tokens, sums.input_tokens),
        count(sums.output_tokens),
        spent(sums),
        count(sums.unpriced) if sums.unpriced else "–",
        seconds(sums.latency_ms / sums.calls if sums.calls else None),
        *(shown(getattr(sums, name)) if getattr(sums, name) else "–" for _, name, shown in seldom),
    )
