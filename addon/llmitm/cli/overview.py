"""Bare `llmitm`: today at a glance, and what to look at next."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from llmitm import harmless
from llmitm.cli.filtering import moment
from llmitm.cli.output import calls, count, money, seconds, share, spent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from llmitm.home import Home
    from llmitm.store.reader import Reader, Sums

_SHOWN = 5
_HOURS = 24
_BUDGETS = 3
_NEXT = (
    ("llmitm ls", "the latest calls", "llmitm run -- COMMAND", "log a program"),
    ("llmitm show last", "one call, whole", "llmitm stats --by day", "spend by day"),
    ("llmitm threads", "conversations", "llmitm top", "live"),
    ("llmitm dashboard", "in the browser", "llmitm budget set 20/day", "and no more"),
)


@dataclass(frozen=True, slots=True)
class Today:
    """What is shown."""

    now: datetime
    today: Sums | None
    by_now: Sums | None
    """Of yesterday, up to the same time."""
    yesterday: Sums | None
    hours: Sequence[int]
    """Spend of each hour of today, nano-dollars."""
    half_ms: int | None
    most_ms: int | None
    models: Sequence[Sums]
    users: Sequence[Sums]
    runs: Sequence[Sums]
    losses: Mapping[str, int]
    budgets: Sequence[str] = ()
    """The fullest, a line each."""


def show(place: Home) -> int:
    """Print it."""
    from llmitm.store.reader import reading

    with reading(place.database) as log:
        seen = replace(look(log, datetime.now(UTC).astimezone()), budgets=_budgets(place))
    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(_screen(seen))
    else:
        _plain(seen)
    for reason, number in seen.losses.items():
        print(f"lost    {count(number)}: {reason}", file=sys.stderr)
    return 0


def _budgets(place: Home) -> Sequence[str]:
    from llmitm.store.ledger_file import has_definitions

    # What reads budgets takes as long to load as all else here.
    if not place.budgets.exists() or not (_in_settings(place) or has_definitions(place.budgets)):
        return ()
    from llmitm.cli.budget.common import in_short

    return in_short(place, _BUDGETS)


def _in_settings(place: Home) -> bool:
    """Tell whether there may be budgets in the settings."""
    try:
        return b"budget" in place.settings.read_bytes()
    except OSError:
        return False


def look(log: Reader, now: datetime) -> Today:
    """Ask the log for today."""
    from llmitm.store.filters import Filter

    midnight = moment("today", now)
    day = Filter(since=midnight)
    before = Filter(since=midnight - timedelta(days=1), until=midnight)
    by_now = Filter(since=midnight - timedelta(days=1), until=now - timedelta(days=1))
    first = [sums[0] if sums else None for sums in map(log.sums, (day, by_now, before))]
    spend = {sums.by[0][11:13]: sums.cost_nanousd for sums in log.sums(day, ["hour"])}
    half, most = log.quantiles(day, (0.5, 0.95)) if first[0] else (None, None)
    return Today(
        now,
        first[0],
        first[1],
        first[2],
        [spend.get(f"{hour:02}", 0) for hour in range(now.hour + 1)],
        half,
        most,
        log.sums(day, ["model"]),
        [sums for sums in log.sums(day, ["user"]) if sums.by[0]],
        [sums for sums in log.sums(day, ["run"]) if sums.by[0]],
        log.losses(),
    )


def facts(day: Sums) -> list[str]:
    """Return what a day was, in a few words each."""
    told = [
        calls(day.calls),
        f"{count(day.input_tokens)} in ({share(day.cached_input_tokens, day.input_tokens)} cached)",
        f"{count(day.output_tokens)} out",
    ]
    told += [f"{count(day.errors)} errors"] if day.errors else []
    told += [f"{count(day.unpriced)} unpriced"] if day.unpriced else []
    told += [f"{count(day.retries)} retried"] if day.retries else []
    told += [f"{count(day.blocked)} blocked"] if day.blocked else []
    if day.cache_hits:
        told.append(f"{count(day.cache_hits)} cached, {money(day.saved_nanousd)} saved")
    return told


def _plain(seen: Today) -> None:
    if seen.today is None:
        print("today   no calls yet")
    else:
        print(f"today   {spent(seen.today)} · {' · '.join(facts(seen.today))}")
        for model in seen.models[:_SHOWN]:
            name = harmless.line(model.by[0] or "–")
            print(f"  {spent(model):>12}  {count(model.calls):>7}  {name}")
        if len(seen.models) > _SHOWN:
            print(f"  and {len(seen.models) - _SHOWN} more: llmitm stats --since today")
    for budget in seen.budgets:
        print(f"budget  {budget}")
    if seen.yesterday is not None:
        print(f"before  {spent(seen.yesterday)} · {calls(seen.yesterday.calls)}")
    print()
    for left, what, right, other in _NEXT:
        print(f"  {left:<18} {what:<18} {right:<25} {other}")


def _screen(seen: Today) -> RenderableType:
    from rich.columns import Columns
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from llmitm.cli.top import sparkline

    head = Text()
    head.append(spent(seen.today) if seen.today else "$0", style="bold green")
    head.append(f" today, {seen.now:%A %-d %B}", style="bold")
    if seen.by_now is not None and seen.yesterday is not None:
        head.append(f"   {_against(seen)}", style="dim")
    parts: list[RenderableType] = [Text(), head]
    if seen.today is None:
        parts.append(Text("no calls yet", style="dim"))
    else:
        parts.append(_told(seen.today, seen))
        if len(seen.hours) > 1:
            bars = Text(sparkline(seen.hours), style="green")
            parts.append(
                bars.append("░" * (_HOURS - len(seen.hours)), style="dim").append(
                    "  by the hour", style="dim"
                )
            )
        parts += [Text(f"budget {budget}", style="yellow") for budget in seen.budgets]
        parts.append(Text())
        lists = [("models", seen.models), ("users", seen.users), ("runs", seen.runs)]
        parts.append(
            Columns(
                [_list(title, rows, seen.today) for title, rows in lists if rows], padding=(0, 4)
            )
        )
    ahead = Table.grid(padding=(0, 2))
    for left, what, right, other in _NEXT:
        ahead.add_row(
            Text(left, style="cyan"),
            Text(what, style="dim"),
            Text(right, style="cyan"),
            Text(other, style="dim"),
        )
    return Group(*parts, Text(), ahead)


def _told(day: Sums, seen: Today) -> RenderableType:
    from rich.text import Text

    line = Text()
    for number, fact in enumerate(facts(day)):
        bad = fact.endswith(("errors", "unpriced", "blocked"))
        line.append(" · " if number else "", style="dim").append(fact, style="red" if bad else "")
    line.append(f" · p50 {seconds(seen.half_ms)} · p95 {seconds(seen.most_ms)}", style="dim")
    return line


def _against(seen: Today) -> str:
    """Return how today stands against yesterday at this time."""
    assert seen.by_now is not None
    assert seen.yesterday is not None
    now = seen.today.cost_nanousd if seen.today else 0
    then = seen.by_now.cost_nanousd
    more = f" ({(now - then) / then:+.0%})" if then and now < 10 * then else ""
    return f"yesterday {money(then)} by now{more}, {spent(seen.yesterday)} whole"


def _list(title: str, rows: Sequence[Sums], whole: Sums) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 1))
    made.add_column()
    made.add_column(justify="right")
    made.add_column()
    made.add_row(Text(title, style="bold"), "", "")
    for sums in rows[:_SHOWN]:
        part = sums.cost_nanousd / whole.cost_nanousd if whole.cost_nanousd else 0
        bar = "━" * max(1, round(part * 12))
        name = harmless.line(sums.by[0] or "–")
        name = name if len(name) <= 28 else f"{name[:27]}…"
        made.add_row(
            Text(name, style="cyan"), Text(spent(sums), style="green"), Text(bar, style="dim")
        )
    if len(rows) > _SHOWN:
        made.add_row(Text(f"and {len(rows) - _SHOWN} more", style="dim"), "", "")
    return made
