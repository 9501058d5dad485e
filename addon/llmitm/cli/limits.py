"""`llmitm limits`: the providers' rate limits, what is left of them, and who ran into them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmitm.cli.filtering import add_filters, moment, wanted
from llmitm.cli.output import Column, add_forms, as_json, clock, count, span, table

if TYPE_CHECKING:
    from llmitm.store.reader import Record

_BAR = 8
_LOOK_SECONDS = 1.0
_SINCE = "7d"
_LIMITS = (
    Column("provider", style="cyan"),
    Column("key", style="dim"),
    Column("model", style="cyan"),
    Column("limit"),
    Column("left"),
    Column("of", right=True),
    Column("least", right=True, style="dim"),
    Column("resets", right=True),
    Column("lasts", right=True, style="yellow"),
    Column("seen", right=True, style="dim"),
)
_HISTORY = (
    Column("429s", right=True, style="red"),
    Column("retried here", right=True),
    Column("longest asked", right=True),
    Column("waited here", right=True),
    Column("queued", right=True),
    Column("for", right=True),
    Column("last", right=True, style="dim"),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `limits` to the command line."""
    parser = subparsers.add_parser(
        "limits", help="rate limits, what is left, who ran into them", description=__doc__
    )
    parser.add_argument(
        "--history",
        action="store_true",
        help=f"429s and waits instead, of the last {_SINCE} if --since does not say otherwise",
    )
    parser.add_argument(
        "--by",
        default="day,provider,model,program",
        metavar="WHAT[,WHAT]",
        help="of --history: hour, day, provider, model, user, client, run, program, property:NAME and others",
    )
    parser.add_argument("-w", "--watch", action="store_true", help="show it again every second")
    add_filters(parser)
    parser.add_argument("--utc", action="store_true", help="times in UTC")
    add_forms(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.history:
        return _show_history(arguments)
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        while True:
            rows = log.limits(wanted(arguments), time.time())
            if arguments.watch and not arguments.form:
                print("\x1b[H\x1b[J", end="")
            _show(rows, arguments)
            if not arguments.watch:
                return 0
            time.sleep(_LOOK_SECONDS)


def _show(rows: Sequence[Record], arguments: argparse.Namespace) -> None:
    if arguments.form:
        as_json(rows, arguments.form)
    elif rows:
        table(_LIMITS, [_row(row, time.time()) for row in rows])
    else:
        print("No provider has told a rate limit yet.")


def _row(row: Record, now: float) -> tuple[str, ...]:
    limit, left = row["limit"], row["remaining_now"]
    what = row["name"].replace("_", " ")
    share = left / limit if limit and left is not None else None
    resets = "–"
    if row["resets_in_ms"] is not None:
        resets = f"in {span(row['resets_in_ms'])}"
    elif row["resets_at"] is not None:
        resets = "was reset"
    lasts = row["lasts_reason"] or "–"
    if row["lasts_ms"] is not None:
        lasts = span(row["lasts_ms"]) if row["lasts_ms"] else "used up"
    return (
        row["provider"],
        row["api_key"] or "–",
        row["model"] or "–",
        f"{what} a {row['period']}" if row["period"] else what,
        "–" if share is None else f"{_bar(share)} {share:4.0%}",
        f"{count(left)}/{count(limit)}",
        count(row["lowest"]),
        resets,
        lasts,
        f"{span(max(0, now * 1000 - row['seen_at']))} ago",
    )


def _bar(share: float) -> str:
    full = round(max(0.0, min(1.0, share)) * _BAR)
    if share > 0:
        full = max(1, full)
    return "█" * full + "░" * (_BAR - full)


def _show_history(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from llmitm.home import home
    from llmitm.store.reader import reading

    by = [name.strip() for name in arguments.by.split(",") if name.strip()]
    asked = wanted(arguments)
    if asked.since is None:
        asked = replace(asked, since=moment(_SINCE))
    with reading(home().database) as log:
        rows = log.throttling(asked, by, utc=arguments.utc)
    if arguments.form:
        as_json([_named(row, by) for row in rows], arguments.form)
    elif rows:
        columns = [*(Column(name, style="cyan") for name in by), *_HISTORY]
        table(columns, [_happened(row, len(by), utc=arguments.utc) for row in rows])
    else:
        print("Nothing was refused for a rate limit, and nothing waited.")
    return 0


def _named(row: Record, by: Sequence[str]) -> Record:
    names = {f"by{number}": name for number, name in enumerate(by)}
    return {names.get(name, name): value for name, value in row.items()}


def _happened(row: Record, dimensions: int, *, utc: bool) -> tuple[str, ...]:
    return (
        *(str(row[f"by{number}"] or "–") for number in range(dimensions)),
        count(row["refused"]),
        count(row["retried"]) if row["retried"] else "–",
        span(row["longest_asked_ms"]),
        span(row["waited_ms"] or None),
        count(row["queued"]) if row["queued"] else "–",
        span(row["queued_ms"] or None),
        clock(row["last_at"], utc=utc),
    )
