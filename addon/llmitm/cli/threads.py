"""`llmitm threads`: conversations, each with the agents that it started below it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, clock, count, money, seconds, share, table

if TYPE_CHECKING:
    from llmitm.cli.trees import Branch
    from llmitm.store.threads import Thread

_COLUMNS = (
    Column("thread", style="dim"),
    Column("last call", spare=4),
    Column("model", style="cyan"),
    Column("calls", right=True),
    Column("in", right=True),
    Column("cached", right=True, style="dim", spare=2),
    Column("out", right=True, spare=1),
    Column("cost", right=True, style="green"),
    Column("lasted", right=True, spare=3),
    Column("began with", wide=True),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `threads` to the command line."""
    parser = subparsers.add_parser(
        "threads", help="conversations, and the agents that they started", description=__doc__
    )
    parser.add_argument("call", nargs="?", metavar="CALL", help="the calls of one: any call of it")
    add_filters(parser)
    parser.add_argument("-n", type=int, default=20, metavar="N", help="how many; 20 without it")
    parser.add_argument("--utc", action="store_true", help="times in UTC")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        if arguments.call:
            from llmitm.cli import ls

            ls.show(log.thread(log.call(arguments.call)["thread_key"]), arguments, ids=True)
            return 0
        found = log.threads(wanted(arguments), arguments.n)
    if arguments.form == "csv":
        as_json([record(each, whole=False) for each in flat(found)], "csv")
    elif arguments.form:
        as_json([record(each) for each in found], arguments.form)
    else:
        show(found, utc=arguments.utc)
    return 0


def show(found: Sequence[Thread], *, utc: bool = False) -> None:
    """Print conversations as a tree."""
    from llmitm.cli import trees

    rows = list(trees.rows([_branch(each, utc=utc) for each in found]))
    # What it began with is the widest, so the tree is drawn there.
    table(_COLUMNS, [(*row[1:], row[0]) for row in rows])


def flat(found: Sequence[Thread]) -> Iterator[Thread]:
    """Yield conversations and those below them."""
    for each in found:
        yield each
        yield from flat(each.below)


def record(thread: Thread, *, whole: bool = True) -> dict[str, Any]:
    """Return a conversation for JSON."""
    names = [name for name in thread.__slots__ if name not in ("key", "below")]
    told: dict[str, Any] = {
        ("thread" if name == "id" else name): getattr(thread, name) for name in names
    }
    if whole:
        told["below"] = [record(each) for each in thread.below]
    return told


def _branch(thread: Thread, *, utc: bool) -> Branch:
    from llmitm.cli.trees import Branch

    began = (thread.title or "").strip().partition("\n")[0] or "–"
    if thread.link:
        began = f"{'agent' if thread.link == 'agent' else 'goes on'}: {began}"
    cells = (
        thread.id[-6:],
        clock(thread.ended_at, utc=utc),
        thread.model or "–",
        count(thread.calls),
        count(thread.input_tokens),
        share(thread.cached_input_tokens, thread.input_tokens),
        count(thread.output_tokens),
        money(None if thread.unpriced == thread.calls else thread.cost_nanousd),
        seconds(thread.ended_at - thread.started_at),
    )
    return Branch(began, cells, [_branch(each, utc=utc) for each in thread.below])
