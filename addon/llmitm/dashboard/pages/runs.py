"""Runs, sessions and conversations: each as a whole, and what happened in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import cast

from markupsafe import Markup

from llmitm.cli.output import count, money, seconds
from llmitm.dashboard import times
from llmitm.dashboard.charts.colours import family
from llmitm.dashboard.charts.curve import curve
from llmitm.dashboard.charts.lanes import Bar, Lane, lanes
from llmitm.dashboard.charts.stacks import Series, Slot, stacks
from llmitm.dashboard.page import NotFoundError, Page, Shown, View
from llmitm.dashboard.question import ALL, Question
from llmitm.dashboard.spending import usd_of_axis
from llmitm.store import groups
from llmitm.store.groups import KINDS, Kind
from llmitm.store.reader import Record

_A_PAGE = 30
_LANES = 24
_COMMANDS: Mapping[Kind, str] = {
    "run": "llmitm stats --by run",
    "session": "llmitm sessions",
    "thread": "llmitm threads",
}
_TITLES: Mapping[Kind, str] = {"run": "runs", "session": "sessions", "thread": "conversations"}


def show(view: View) -> Shown:
    """Return the table, or what the address names."""
    if view.rest:
        return _one(view)
    kind = cast(Kind, view.choice("kind", KINDS))
    wanted = view.question.filter()
    found, more = groups.latest(view.log, kind, wanted, _A_PAGE)
    older = None
    if more is not None:
        until = datetime.fromtimestamp(more / 1000, UTC).astimezone() + timedelta(milliseconds=1)
        older = view.address(until=until.isoformat(timespec="milliseconds"), kind=kind)
    content: dict[str, object] = {
        "kind": kind,
        "kinds": [(each, _TITLES[each]) for each in KINDS],
        "groups": found,
        "older": older,
        "dearest": max((group["cost_nanousd"] or 0 for group in found), default=0),
        "chart_kept": {},
    }
    command = f"{_COMMANDS[kind]} {view.question.options()}"
    return Shown(content, command.strip(), kept={"kind": kind})


def _one(view: View) -> Shown:
    kind, name = (*view.rest, "")[:2]
    if kind not in KINDS or len(view.rest) != 2:
        raise NotFoundError(f"there is no {'/'.join(view.rest)}: there are {', '.join(KINDS)}")
    group = groups.one(view.log, kind, name)
    if group is None:
        raise NotFoundError(f"there is no {kind} {name}")
    calls = groups.calls(view.log, kind, name)
    by_thread: dict[int, list[Record]] = {}
    for call in calls:
        by_thread.setdefault(call["thread_key"], []).append(call)
    longest = max(by_thread.values(), key=len)
    # Calls that do not go on from one another are still in the order in which they were made.
    shown_context = longest if len(longest) > 1 else calls
    question = Question(since=ALL)
    question = question if kind == "thread" else question.narrowed(kind, name)
    content = {
        "kind": kind,
        "name": name,
        "group": group,
        "calls": calls,
        "cut": group["calls"] > len(calls),
        "lanes": _lanes(by_thread, group),
        "lanes_left": max(len(by_thread) - _LANES, 0),
        "spend": _spend(calls, group),
        "context": _context(shown_context),
        "longest": shown_context is not calls and len(by_thread) > 1,
        "all_calls": f"/calls{question.query()}" if kind != "thread" else None,
    }
    commands = {
        "run": f"llmitm ls -n {group['calls']} --run {quote(name)}",
        "session": f"llmitm sessions {quote(name)}",
        "thread": f"llmitm threads {quote(name)}",
    }
    return Shown(content, commands[kind], f"{kind} {name}", "run.html", ranged=False)


def _lanes(by_thread: Mapping[int, Sequence[Record]], group: Record) -> Markup:
    began = group["began"]
    length = max(group["ended"] - began, 1)
    found = []
    for calls in list(by_thread.values())[:_LANES]:
        bars = [
            Bar(
                call["started_at"] - began,
                call["started_at"] - began + (call["latency_ms"] or 0),
                "c-bad" if call["outcome"] != "ok" else family(call["provider"]),
                _tip(call),
                f"/calls/{call['id']}",
            )
            for call in calls
        ]
        first = calls[0]
        name = first["session_path"] or f"{first['model'] or first['operation']} · {len(calls)}"
        found.append(Lane(name, f"/runs/thread/{first['id']}", bars))
    return lanes(
        "Calls over time",
        found,
        length,
        [f"+{times.length(length * part / 4)}" for part in range(5)],
    )


def _tip(call: Record) -> str:
    return "\n".join(
        (
            f"{call['model'] or call['operation']}\t{times.local(call['started_at']):%H:%M:%S}",
            f"in, out\t{count(call['input_tokens'])}, {count(call['output_tokens'])}",
            f"cost\t{money(call['cost_nanousd'])}",
            f"took\t{seconds(call['latency_ms'])}",
            *(
                [f"{call['outcome']}\t{call['status'] or ''} {call['error_type'] or ''}"]
                if call["outcome"] != "ok"
                else []
            ),
        )
    )


def _spend(calls: Sequence[Record], group: Record) -> Markup:
    """Return what was spent up to each moment."""
    began, length = group["began"], max(group["ended"] - group["began"], 1)
    points, spent = [(0.0, 0.0)], 0
    for call in calls:
        spent += call["cost_nanousd"] or 0
        points.append(
            ((call["started_at"] + (call["latency_ms"] or 0) - began) / length, float(spent))
        )
    points.sort(key=lambda point: point[0])
    highest = 0.0
    rising = []
    for at, amount in points:
        highest = max(highest, amount)
        rising.append((at, highest))
    labels = [f"+{times.length(length * part / 4)}" for part in range(5)]
    return curve(
        "Cost up to each moment",
        rising,
        lambda amount: money(round(amount)),
        labels,
        axis=usd_of_axis,
        steps=True,
    )


def _context(calls: Sequence[Record]) -> Markup:
    """Return how the context of a conversation grows, and which part of it came out of the provider's cache."""
    counted = [call for call in calls if call["input_tokens"] is not None]

    def part(call: Record, name: str) -> int:
        return int(call[name] or 0)

    series = [
        Series(
            "read from the provider's cache",
            "c-cached",
            [part(call, "cached_input_tokens") for call in counted],
        ),
        Series(
            "written to it", "c-written", [part(call, "cache_write_tokens") for call in counted]
        ),
        Series(
            "uncached",
            "c-new",
            [
                max(
                    part(call, "input_tokens")
                    - part(call, "cached_input_tokens")
                    - part(call, "cache_write_tokens"),
                    0,
                )
                for call in counted
            ],
        ),
        Series("answer", "c-out", [part(call, "output_tokens") for call in counted]),
    ]
    slots = [
        Slot(
            f"turn {number}",
            f"turn {number}, {times.local(call['started_at']):%H:%M:%S}",
            f"/calls/{call['id']}",
        )
        for number, call in enumerate(counted, 1)
    ]
    return stacks("Tokens of each turn", slots, series, lambda amount: count(round(amount)))


PAGE = Page("runs", "Runs", "r", show)
