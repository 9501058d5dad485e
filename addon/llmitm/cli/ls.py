"""`llmitm ls`: the latest calls, one line each."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import Column, add_forms, as_json, clock, count, money, seconds, share, table

if TYPE_CHECKING:
    from llmitm.store.reader import Record

_LOOK_SECONDS = 0.25
_MOST_AT_ONCE = 1_000
COLUMNS = (
    Column("when"),
    Column("model", style="cyan"),
    Column("in", right=True),
    Column("cached", right=True, style="dim", spare=1),
    Column("out", right=True),
    Column("cost", right=True, style="green"),
    Column("first", right=True, style="dim", spare=2),
    Column("total", right=True),
    Column("what", wide=True),
)
_LEAST = (8, 24, 6, 6, 6, 9, 6, 6, None)
"""Widths of the columns where calls come one by one."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `ls` to the command line."""
    parser = subparsers.add_parser(
        "ls", help="the latest calls, one line each", description=__doc__
    )
    parser.add_argument("-n", type=int, default=20, metavar="N", help="how many; 20 without it")
    add_filters(parser)
    parser.add_argument("--ids", action="store_true", help="show the calls' ids")
    parser.add_argument("--utc", action="store_true", help="times in UTC")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as calls end")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    asked = wanted(arguments)
    with reading(home().database) as log:
        last = log.last_key()
        found = log.recent(asked, arguments.n)
        show(found[::-1] if arguments.follow else found, arguments, ids=arguments.ids)
        while arguments.follow:
            time.sleep(_LOOK_SECONDS)
            found = log.recent(replace(asked, after=last), _MOST_AT_ONCE)
            if found:
                last = max(call["key"] for call in found)
                show(found[::-1], arguments, ids=arguments.ids, header=False)
    return 0


def show(
    calls: Sequence[Record], arguments: argparse.Namespace, *, ids: bool, header: bool = True
) -> None:
    """Print calls, in the form that was asked for."""
    if arguments.form:
        as_json(calls, "jsonl" if getattr(arguments, "follow", False) else arguments.form)
        return
    columns: tuple[Column, ...] = COLUMNS
    if getattr(arguments, "follow", False):
        columns = tuple(
            column._replace(least=least) for column, least in zip(COLUMNS, _LEAST, strict=True)
        )
    rows = [row(call, utc=arguments.utc) for call in calls]
    if ids:
        columns = (Column("id", style="dim"), *columns)
        rows = [(call["id"], *row) for call, row in zip(calls, rows, strict=True)]
    table(columns, rows, header=header)


def row(call: Record, *, utc: bool) -> tuple[str, ...]:
    """Return a call as it is shown under `COLUMNS`."""
    return (
        clock(call["started_at"], utc=utc),
        call["model"] or f"({call['operation']})",
        count(call["input_tokens"]),
        share(call["cached_input_tokens"], call["input_tokens"]),
        count(call["output_tokens"]),
        money(call["cost_nanousd"]),
        seconds(call["first_content_ms"]),
        seconds(call["latency_ms"]),
        what(call),
    )


def what(call: Record) -> str:
    """Return what became of a call, in a few words."""
    if call["outcome"] != "ok":
        why = call["error_type"] or call["error_message"] or ""
        return f"✗ {call['status'] or ''} {call['outcome']} {why}".replace("  ", " ").rstrip()
    marks: list[Any] = ["✓"]
    if call["cache"] == "hit":
        marks.append("cached")
    if call["streaming"]:
        marks.append("stream")
    if call["attempts"] > 1:
        marks.append(f"{call['attempts']} attempts")
    if call["fallback_index"] is not None:
        marks.append(f"in place of {call['model_requested'] or call['provider_requested']}")
    if call["tool_calls"]:
        marks.append("→ " + ", ".join(call["tool_calls"]))
    if call["usage_source"] == "estimated":
        marks.append("estimated")
    if call["operation"] != "chat":
        marks.append(call["operation"])
    if call["client_retry"]:
        marks.append(f"retry {call['client_retry']} by the client")
    said = (call["prompt"] or "").strip().partition("\n")[0]
    return " ".join([*marks, said])
