"""`llmitm stats`: where the money went, by whatever tells calls apart."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, count, difference, money, spent, table

if TYPE_CHECKING:
    from llmitm.store.filters import Filter
    from llmitm.store.reader import Reader, Sums

_FIGURES: dict[str, Callable[[Sums], str]] = {
    "cost": spent,
    "calls": lambda sums: count(sums.calls),
    "tokens": lambda sums: count(sums.input_tokens + sums.output_tokens),
    "errors": lambda sums: count(sums.errors) if sums.errors else "–",
}
"""What a cross table can show in its cells."""
_TITLE = 16
_ACROSS = 12
"""Columns of a cross table; the rest is added up in one more."""
PERIODS = ("hour", "day", "week", "month")
_COMPARED = (
    Column("calls", right=True),
    Column("before", right=True, style="dim"),
    Column("cost", right=True, style="green"),
    Column("before", right=True, style="dim"),
    Column("difference", right=True),
    Column("%", right=True),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `stats` to the command line."""
    parser = subparsers.add_parser("stats", help="where the money went", description=__doc__)
    parser.add_argument(
        "--by",
        default="model",
        metavar="WHAT[,WHAT]",
        help="hour, day, week, month, model, provider, user, client, run, session, operation, outcome,"
        " status, program, directory, repository, branch, pid, arguments, property:NAME",
    )
    add_filters(parser)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--cross", action="store_true", help="the first of two down, the second across"
    )
    ways.add_argument(
        "--compare", choices=["prev"], help="beside the same time before; needs --since"
    )
    parser.add_argument(
        "--figure", choices=[*_FIGURES], default="cost", help="what a cross table shows; cost"
    )
    parser.add_argument("--utc", action="store_true", help="days of UTC")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.errors import SettingsError
    from llmitm.home import home
    from llmitm.store.reader import reading

    by = [name.strip() for name in arguments.by.split(",") if name.strip()]
    asked = wanted(arguments)
    if arguments.cross and len(by) != 2:
        raise SettingsError("--cross needs --by with two names, such as --by user,model")
    if arguments.compare and asked.since is None:
        raise SettingsError(
            "--compare needs --since: the time before is as long as the one since then"
        )
    with reading(home().database) as log:
        if arguments.compare:
            _compare(log, asked, by, arguments)
            return 0
        rows = log.sums(asked, by, utc=arguments.utc)
        total = log.sums(asked, utc=arguments.utc)
    if arguments.form:
        as_json([_record(by, sums) for sums in rows], arguments.form)
    elif arguments.cross:
        _cross(by, rows, _FIGURES[arguments.figure])
    else:
        _print(by, rows, total)
    return 0


def _print(by: Sequence[str], rows: Sequence[Sums], total: Sequence[Sums]) -> None:
    from llmitm.cli import figures

    more = figures.seldom(total)
    columns = [Column(name, style="cyan") for name in by] + list(figures.COLUMNS)
    columns += [Column(title, right=True, style="dim") for title, _, _ in more]
    footer = ["" for _ in by]
    if footer:
        footer[0] = "total"
    table(
        columns,
        [(*(value or "–" for value in sums.by), *figures.cells(sums, more)) for sums in rows],
        total=[*footer, *figures.cells(total[0], more)] if total else None,
    )


def _cross(by: Sequence[str], rows: Sequence[Sums], shown: Callable[[Sums], str]) -> None:
    """Print the first dimension down and the second across, each with its sums."""
    from llmitm.store.sessions import sum_of

    down, across = (_whole(rows, number, by[number]) for number in (0, 1))
    names = [*across][: _fitting()]
    rest = set(across) - set(names)
    cells = {sums.by: sums for sums in rows}

    def line(several: Sequence[Sums]) -> list[str]:
        found = [[sums for sums in several if sums.by[1] == name] for name in names]
        if rest:
            found.append([sums for sums in several if sums.by[1] in rest])
        found.append(list(several))
        return [shown(sum_of(each)) if each else "–" for each in found]

    longest = _TITLE if sys.stdout.isatty() else None
    titles = [
        *(_short(name, longest) or "–" for name in names),
        *([f"{len(rest)} more"] if rest else []),
        "total",
    ]
    columns = [Column(f"{by[0]} / {by[1]}", style="cyan")]
    columns += [Column(title, right=True) for title in titles]
    table(
        columns,
        [
            (name or "–", *line([each for key, each in cells.items() if key[0] == name]))
            for name in down
        ],
        total=["total", *line(list(rows))],
        titles=True,
    )


def _short(name: str, longest: int | None) -> str:
    """Return a title; its end tells models apart better than its middle."""
    if longest is None or len(name) <= longest:
        return name
    half = longest // 2
    return f"{name[: longest - half - 1]}…{name[-half:]}"


def _fitting() -> int:
    """Return how many columns a cross table has: as many as fit on the terminal."""
    if not sys.stdout.isatty():
        return _ACROSS
    return max(1, min(_ACROSS, (shutil.get_terminal_size().columns - 36) // (_TITLE + 2)))


def _whole(rows: Sequence[Sums], number: int, name: str) -> dict[str, int]:
    """Return the values of a dimension: times in their order, all else the dearest first."""
    costs: dict[str, int] = {}
    for sums in rows:
        costs[sums.by[number]] = costs.get(sums.by[number], 0) + sums.cost_nanousd
    if name in PERIODS:
        return dict(sorted(costs.items()))
    return dict(sorted(costs.items(), key=lambda item: (-item[1], item[0])))


def _compare(log: Reader, asked: Filter, by: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print each row beside what it was in the same length of time before."""
    assert asked.since is not None
    until = asked.until or datetime.now(UTC).astimezone()
    before = replace(asked, since=asked.since - (until - asked.since), until=asked.since)
    now = {sums.by: sums for sums in log.sums(asked, by, utc=arguments.utc)}
    then = {sums.by: sums for sums in log.sums(before, by, utc=arguments.utc)}
    keys = [*now, *(key for key in then if key not in now)]
    if arguments.form:
        records = [_compared(by, key, now.get(key), then.get(key)) for key in keys]
        as_json(records, arguments.form)
        return
    whole = [log.sums(each, utc=arguments.utc) for each in (asked, before)]
    totals = [each[0] if each else None for each in whole]
    columns = [Column(name, style="cyan") for name in by] + list(_COMPARED)
    table(
        columns,
        [(*(value or "–" for value in key), *_beside(now.get(key), then.get(key))) for key in keys],
        total=[*["total", *[""] * len(by)][: len(by)], *_beside(*totals)],
    )


def _beside(now: Sums | None, then: Sums | None) -> tuple[str, ...]:
    cost, earlier = (sums.cost_nanousd if sums else 0 for sums in (now, then))
    return (
        count(now.calls if now else 0),
        count(then.calls if then else 0),
        spent(now) if now else money(0),
        spent(then) if then else money(0),
        difference(cost - earlier),
        f"{(cost - earlier) / earlier:+.0%}" if earlier else "–",
    )


def _record(by: Sequence[str], sums: Sums) -> dict[str, Any]:
    from llmitm.cli.figures import fields

    return dict(zip(by, sums.by, strict=True)) | dict(fields(sums))


def _compared(
    by: Sequence[str], key: tuple[str, ...], now: Sums | None, then: Sums | None
) -> dict[str, Any]:
    names = ("calls", "errors", "input_tokens", "output_tokens", "cost_nanousd")
    told: dict[str, Any] = dict(zip(by, key, strict=True))
    for name in names:
        told[name] = getattr(now, name) if now else 0
        told[f"previous_{name}"] = getattr(then, name) if then else 0
    return told
