"""`llmitm users`: what each user asked, spent and waited for, and on which models."""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, count, seconds, share, spent, table

if TYPE_CHECKING:
    from llmitm.store.sums import Sums

_MODELS_SHOWN = 3
_COLUMNS = (
    Column("user", style="cyan"),
    Column("calls", right=True),
    Column("cost", right=True, style="green"),
    Column("mean", right=True, style="dim"),
    Column("errors", right=True, style="red"),
    Column("in", right=True, spare=1),
    Column("out", right=True, spare=2),
    Column("models", wide=True, style="dim"),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `users` to the command line."""
    parser = subparsers.add_parser(
        "users", help="who spent what, and on which models", description=__doc__
    )
    add_filters(parser)
    parser.add_argument("-n", type=int, default=50, metavar="N", help="how many; 50 without it")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    asked = wanted(arguments)
    with reading(home().database) as log:
        users = log.sums(asked, ["user"])[: arguments.n]
        by_model = log.sums(asked, ["user", "model"])
    models: dict[str, list[Sums]] = defaultdict(list)
    for each in by_model:
        models[each.by[0]].append(each)
    for mix in models.values():
        mix.sort(key=lambda each: -each.calls)
    if arguments.form:
        as_json([_record(user, models[user.by[0]]) for user in users], arguments.form)
        return 0
    table(_COLUMNS, [_row(user, models[user.by[0]]) for user in users])
    return 0


def _row(user: Sums, mix: list[Sums]) -> tuple[str, ...]:
    shown = [f"{each.by[1] or '–'} {each.calls / user.calls:.0%}" for each in mix[:_MODELS_SHOWN]]
    if len(mix) > _MODELS_SHOWN:
        shown.append(f"and {len(mix) - _MODELS_SHOWN} more")
    return (
        user.by[0] or "–",
        count(user.calls),
        spent(user),
        seconds(user.latency_ms / user.calls),
        share(user.errors, user.calls),
        count(user.input_tokens),
        count(user.output_tokens),
        " · ".join(shown),
    )


def _record(user: Sums, mix: list[Sums]) -> dict[str, Any]:
    from llmitm.cli.figures import fields

    return {
        "user": user.by[0] or None,
        **fields(user),
        "models": {each.by[1]: each.calls for each in mix},
    }
