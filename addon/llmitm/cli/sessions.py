"""`llmitm sessions`: what a session cost; of one session each step of its path, and each of its conversations."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, clock, seconds, table

if TYPE_CHECKING:
    from llmitm.cli.trees import Branch
    from llmitm.store.reader import Reader
    from llmitm.store.sessions import Session
    from llmitm.store.sums import Sums


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `sessions` to the command line."""
    parser = subparsers.add_parser(
        "sessions", help="what a session cost, step by step", description=__doc__
    )
    parser.add_argument("id", nargs="?", metavar="SESSION", help="one of them, whole")
    add_filters(parser)
    parser.add_argument("-n", type=int, default=20, metavar="N", help="how many; 20 without it")
    parser.add_argument("--utc", action="store_true", help="times in UTC")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.errors import LlmitmError
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        if arguments.id is None:
            _list(log, arguments)
            return 0
        found = log.sessions_named([arguments.id])
        if not found:
            raise LlmitmError(f"there is no session {arguments.id!r}; llmitm sessions lists them")
        _one(log, found[0], arguments)
    return 0


def _list(log: Reader, arguments: argparse.Namespace) -> None:
    from llmitm.cli import figures

    found = log.sessions(wanted(arguments), arguments.n)
    if arguments.form:
        as_json([_record(each) for each in found], arguments.form)
        return
    columns = [Column("last call"), Column("session", style="cyan"), *figures.COLUMNS]
    columns += [
        Column("lasted", right=True, spare=4),
        Column("who", wide=True, style="dim", spare=5),
    ]
    rows = []
    for each in found:
        name = f"{each.name} {each.id}" if each.name else each.id
        who = " · ".join(filter(None, (each.user, each.client)))
        lasted = seconds(each.ended_at - each.started_at)
        rows.append(
            (clock(each.ended_at, utc=arguments.utc), name, *figures.cells(each.sums), lasted, who)
        )
    table(columns, rows)


def _one(log: Reader, session: Session, arguments: argparse.Namespace) -> None:
    from llmitm.cli import figures, threads, trees

    conversations = log.threads_of(session.id)
    if arguments.form:
        taken = [{"path": step.by[0] or None, **figures.fields(step)} for step in session.paths]
        told = {"steps": taken, "threads": [threads.record(each) for each in conversations]}
        as_json([_record(session) | (told if arguments.form != "csv" else {})], arguments.form)
        return
    top = trees.Branch(
        session.name or session.id, figures.cells(session.sums), steps(session.paths)
    )
    columns = [Column("session", style="cyan"), *figures.COLUMNS]
    table(columns, list(trees.rows([top])))
    threads.show(conversations, utc=arguments.utc)


def steps(paths: Sequence[Sums]) -> list[Branch]:
    """Return the paths of a session as a tree; what is below a path is added up into it."""
    from llmitm.cli import figures
    from llmitm.cli.trees import Branch
    from llmitm.store.sessions import sum_of

    names: dict[str, list[tuple[tuple[str, ...], Sums]]] = {}
    for path in paths:
        first, *rest = [name for name in path.by[0].split("/") if name] or [""]
        if first:
            names.setdefault(first, []).append((tuple(rest), path))
    found = []
    for name, below in names.items():
        inner = [_at(sums, rest) for rest, sums in below if rest]
        whole = sum_of([sums for _, sums in below])
        found.append(Branch(name, figures.cells(whole), steps(inner)))
    return found


def _at(sums: Sums, rest: Sequence[str]) -> Sums:
    from dataclasses import replace

    return replace(sums, by=("/".join(rest),))


def _record(session: Session) -> dict[str, Any]:
    from llmitm.cli.figures import fields

    about = ("id", "name", "user", "client", "started_at", "ended_at")
    return {
        **{name if name != "id" else "session": getattr(session, name) for name in about},
        **fields(session.sums),
    }
