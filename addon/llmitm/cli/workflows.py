"""`llmitm workflows`: cost, tokens and time of each workflow and its steps, told apart by properties of the calls."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, table

if TYPE_CHECKING:
    from llmitm.cli.trees import Branch
    from llmitm.store.sums import Sums

_DAYS = 7


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `workflows` to the command line."""
    parser = subparsers.add_parser(
        "workflows", help="cost, tokens and time step by step", description=__doc__
    )
    parser.add_argument(
        "--by",
        default="Workflow,Step",
        metavar="NAME,...",
        help="properties, the outer one first; Workflow,Step without it",
    )
    add_filters(parser)
    parser.add_argument("-n", type=int, default=20, metavar="N", help="how many; 20 without it")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import sys

    from llmitm.cli import figures, trees
    from llmitm.home import home
    from llmitm.store.reader import reading

    names = [name.strip() for name in arguments.by.split(",") if name.strip()]
    asked = wanted(arguments)
    if asked.since is None:
        asked = replace(asked, since=datetime.now(UTC).astimezone() - timedelta(days=_DAYS))
    with reading(home().database) as log:
        levels = [
            log.sums(asked, [f"property:{name}" for name in names[: depth + 1]])
            for depth in range(len(names))
        ]
    shown = {sums.by[0] for sums in levels[0][: arguments.n]} if levels else set()
    levels = [[sums for sums in level if sums.by[0] in shown] for level in levels]
    if arguments.form:
        records = [_record(names, sums) for level in levels for sums in level]
        as_json(sorted(records, key=lambda record: record["path"]), arguments.form)
        return 0
    if not any(levels):
        when = (
            f" in the last {_DAYS} days; --since 90d looks further back"
            if arguments.since is None
            else ""
        )
        print(f"no call has the property {names[0] if names else '?'}{when}", file=sys.stderr)
        return 0
    total = [sums for level in levels for sums in level]
    more = figures.seldom(total)
    title = " / ".join(names) + ("" if arguments.since else f", {_DAYS} days")
    columns = [Column(title, style="cyan"), *figures.COLUMNS]
    columns += [Column(name, right=True, style="dim") for name, _, _ in more]
    table(columns, list(trees.rows(_branches(levels, (), more))))
    return 0


def _branches(
    levels: Sequence[Sequence[Sums]], path: tuple[str, ...], more: Sequence[Any]
) -> list[Branch]:
    """Return the tree below a path: the dearest first."""
    from llmitm.cli import figures
    from llmitm.cli.trees import Branch

    depth = len(path)
    if depth == len(levels):
        return []
    return [
        Branch(
            sums.by[depth] or "–",
            figures.cells(sums, more),
            _branches(levels, sums.by, more),
        )
        for sums in levels[depth]
        if sums.by[:depth] == path
    ]


def _record(names: Sequence[str], sums: Sums) -> dict[str, Any]:
    from llmitm.cli.figures import fields

    values = dict.fromkeys(names) | dict(zip(names, sums.by, strict=False))
    return {"path": "/".join(sums.by), **values, **fields(sums)}
