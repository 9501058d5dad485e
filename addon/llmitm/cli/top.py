"""`llmitm top`: spend, calls in flight and the last calls, as they come. Ctrl-C ends it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from llmitm.cli.filtering import add_filters, moment, wanted
from llmitm.cli.output import as_json, calls, count, money, share, spent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from llmitm.home import Home
    from llmitm.store.filters import Filter
    from llmitm.store.reader import Reader

_MINUTES = 5
_HOUR = 60
_BUDGETS = 3
_BARS = "▁▂▃▄▅▆▇█"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `top` to the command line."""
    parser = subparsers.add_parser("top", help="what happens now, live", description=__doc__)
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="SECONDS", help="between two looks; 1"
    )
    parser.add_argument("-n", type=int, default=12, metavar="N", help="calls that are shown; 12")
    parser.add_argument("--once", action="store_true", help="one look, and end")
    parser.add_argument("--json", action="store_true", help="one look, as JSON")
    add_filters(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    place = home()
    asked = wanted(arguments)
    with reading(place.database) as log:
        if arguments.json:
            as_json([state(place, log, asked, arguments.n)], "json")
            return 0
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False)
        if arguments.once or not sys.stdout.isatty():
            console.print(_screen(state(place, log, asked, arguments.n)))
            return 0
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                room = max(1, console.height - 12)
                live.update(_screen(state(place, log, asked, min(room, arguments.n))), refresh=True)
                time.sleep(max(0.1, arguments.interval))


def state(place: Home, log: Reader, asked: Filter, shown: int) -> dict[str, Any]:
    """Return what is shown: sums of today and of the last minutes, what is in flight, the last calls."""
    from dataclasses import replace

    from llmitm.running import find

    now = datetime.now(UTC).astimezone()
    today = log.sums(replace(asked, since=moment("today", now)))
    lately = log.sums(replace(asked, since=now - timedelta(minutes=_MINUTES)))
    running = find(place)
    health = running.health() if running else None
    return {
        "at": now.isoformat(timespec="seconds"),
        "proxy": running.url if running else None,
        "in_flight": health.get("in_flight") if health else None,
        "waiting": health.get("waiting") if health else None,
        "today": today[0] if today else None,
        "lately": lately[0] if lately else None,
        "minutes": log.by_minute(replace(asked, since=now - timedelta(minutes=_HOUR)), _HOUR),
        "models": log.sums(replace(asked, since=now - timedelta(hours=1)), ["model"])[:4],
        "calls": log.recent(asked, shown),
        "budgets": _budgets(place),
    }


def _budgets(place: Home) -> list[str]:
    from llmitm.cli.budget.common import in_short

    return in_short(place, _BUDGETS)


def _screen(seen: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from llmitm import harmless
    from llmitm.cli import ls
    from llmitm.cli.output import drawn

    today, lately = seen["today"], seen["lately"]
    rate = (lately.cost_nanousd if lately else 0) * 60 // _MINUTES
    head = Text()
    head.append(f"{money(rate)}", style="bold green")
    head.append(f" an hour, by the last {_MINUTES} minutes   ")
    head.append(spent(today) if today else "$0", style="bold")
    head.append(f" today · {calls(today.calls if today else 0)}")
    if today and today.errors:
        head.append(f" · {count(today.errors)} errors", style="red")
    if today and today.cached_input_tokens:
        head.append(
            f" · {share(today.cached_input_tokens, today.input_tokens)} cached", style="dim"
        )
    state_ = (
        "no proxy runs"
        if seen["proxy"] is None
        else f"{seen['in_flight']} in flight · {seen['proxy']}"
    )
    line = Text(sparkline(seen["minutes"]), style="green")
    line.append(f"  spend by the minute, the last {_HOUR}", style="dim")
    models = Text(
        "   ".join(f"{harmless.line(each.by[0] or '–')} {spent(each)}" for each in seen["models"]),
        style="cyan",
    )
    rows = [ls.row(call, utc=False) for call in seen["calls"]]
    return Group(
        head,
        Text(f"{state_} · {seen['at'][11:19]}", style="dim"),
        line,
        models,
        *(Text(f"budget {budget}", style="yellow") for budget in seen["budgets"]),
        drawn(ls.COLUMNS, rows),
    )


def sparkline(values: Sequence[int]) -> str:
    """Return figures as small bars."""
    most = max(values, default=0)
    if not most:
        return "▁" * len(values)
    return "".join(_BARS[-(-value * (len(_BARS) - 1) // most)] for value in values)
