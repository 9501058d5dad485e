"""Reliability: what failed, what was refused for a limit, what it helped to try again or elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from llmitm.cli.output import count, share, span
from llmitm.dashboard import periods, spending
from llmitm.dashboard.charts.bars import bar
from llmitm.dashboard.charts.colours import colour
from llmitm.dashboard.charts.stacks import Series, Slot, stacks
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.rows import shown
from llmitm.store import bounded, charts, failures
from llmitm.store.failures import Helped, Kind
from llmitm.store.filters import Filter
from llmitm.store.reader import Record, Sums

_LATEST = 10
_MOST_FAILED = 10_000
"""Failed calls that are looked at, the latest; where there are more, the page begins later."""
_DRAWN = 7
_MOST_ROWS = 20
_MOST_RETRIED = 8
_REST = "everything else"
_LITTLE = 0.1
"""Of a limit: less than this left is near its end."""


def show(view: View) -> Shown:
    """Return the page."""
    log, asked = view.log, view.question.filter()
    narrowed, is_cut = bounded.latest(log, replace(asked, errors=True), _MOST_FAILED)
    wanted = replace(asked, since=narrowed.since)
    chart, period, possible, kinds = _chart(view, wanted)
    helped = failures.helped(log, wanted)
    total = spending.added(log.sums(wanted, ["provider"]))
    throttled = log.throttling(wanted, ["provider", "model"])
    losses = log.losses()
    failed = charts.page(log, replace(wanted, errors=True), _LATEST)[:_LATEST]
    kept = {"every": view.argument("every")}
    content = {
        "tiles": _tiles(view, total, kinds, helped, throttled, losses),
        "chart": chart,
        "period": period,
        "periods": [(each, each) for each in possible],
        "kinds": [_kind(view, each) for each in kinds[:_MOST_ROWS]],
        "most_failed": max((each.calls for each in kinds), default=0),
        "throttled": throttled[:_MOST_ROWS],
        "span": span,
        "retries": log.retries(wanted, ["client", "provider", "model"])[:_MOST_RETRIED],
        "fallbacks": [
            {
                **each,
                "link": f"/calls{view.question.narrowed('provider', each['provider']).query()}",
            }
            for each in failures.fallbacks(log, wanted)[:_MOST_ROWS]
        ],
        "limits": [_limit(each) for each in log.limits(wanted, view.now.timestamp())][:_MOST_ROWS],
        "losses": losses,
        "since": wanted.since if is_cut else None,
        "most": _MOST_FAILED,
        "latest": shown(failed),
        "chart_kept": {name: value for name, value in kept.items() if value},
    }
    command = f"llmitm stats --by outcome,status --errors {_options(view)}"
    return Shown(content, command.strip(), kept=kept)


def _options(view: View) -> str:
    return replace(view.question, errors="").options()


def _tiles(
    view: View,
    total: Sums,
    kinds: Sequence[Kind],
    helped: Helped,
    throttled: Sequence[Record],
    losses: Mapping[str, int],
) -> list[Mapping[str, object]]:
    question = view.question
    refused = sum(each["refused"] for each in throttled)
    retried = sum(each["retried"] for each in throttled)
    cancelled = sum(each.calls for each in kinds if each.outcome == "cancelled")
    lost = sum(losses.values())
    return [
        {
            "name": "errors",
            "value": share(total.errors, total.calls) if total.errors else "none",
            "link": f"/calls{question.query(errors='1')}",
            "under": f"{count(total.errors)} of {count(total.calls)} calls",
        },
        {
            "name": "rate limited",
            "value": count(refused),
            "link": f"/calls{question.query(status='429')}",
            "under": f"{count(retried)} tried again here",
        },
        {
            "name": "retries helped",
            "value": share(helped.retried_ok, helped.retried) if helped.retried else "–",
            "link": None,
            "under": f"{count(helped.retried_ok)} of {count(helped.retried)} calls",
        },
        {
            "name": "client's retries",
            "value": count(helped.by_client),
            "link": None,
            "under": f"{count(helped.by_client_ok)} ended well",
        },
        {
            "name": "fallbacks",
            "value": count(helped.fallbacks),
            "link": None,
            "under": f"{count(helped.fallbacks_ok)} ended well",
        },
        {
            "name": "blocked by llmitm",
            "value": count(total.blocked),
            "link": f"/calls{question.query(errors='1')}",
            "under": f"{count(cancelled)} cancelled",
        },
        {
            "name": "not in the log",
            "value": count(lost),
            "link": None,
            "under": "since it began" if lost else "nothing is missing",
        },
    ]


def _kind(view: View, kind: Kind) -> Mapping[str, object]:
    question = view.question
    query = question.query(status=str(kind.status)) if kind.status else question.query(errors="1")
    return {"kind": kind, "link": f"/calls{query}"}


def _limit(record: Record) -> Mapping[str, object]:
    limit, left = record["limit"], record["remaining_now"]
    part = left / limit if limit and left is not None else None
    name = record["name"].replace("_", " ")
    lasts = span(record["lasts_ms"]) if record["lasts_ms"] else "used up"
    return {
        **record,
        "what": f"{name} a {record['period']}" if record["period"] else name,
        "part": part,
        "bar": bar(left, limit, "c-bad" if part is not None and part < _LITTLE else "c-plain"),
        "resets": span(record["resets_in_ms"]),
        "lasts": (record["lasts_reason"] or "–") if record["lasts_ms"] is None else lasts,
    }


def _chart(
    view: View, wanted: Filter
) -> tuple[Markup, periods.Period, list[periods.Period], Sequence[Kind]]:
    log = view.log
    since, until = charts.bounds(wanted, charts.first_hour(log), view.now)
    possible = periods.possible(since, until)
    chosen = view.argument("every")
    period = next((each for each in possible if each == chosen), periods.fitting(since, until))
    stretches = list(periods.stretches(since, until, period, utc=False))
    numbers = {stretch.start: number for number, stretch in enumerate(stretches)}
    failed = failures.failed(log, wanted, periods.summed(period))
    kinds = failures.kinds(kind for _, kind in failed)
    totals: dict[str, int] = defaultdict(int)
    for kind in kinds:
        totals[kind.name] += kind.calls
    names = sorted(totals, key=lambda name: (-totals[name], name))[:_DRAWN]
    amounts = {name: [0.0] * len(stretches) for name in (*names, _REST)}
    for label, kind in failed:
        at = numbers.get(periods.parsed(label, period, utc=False))
        if at is not None:
            amounts[kind.name if kind.name in amounts else _REST][at] += kind.calls
    series = [Series(name, colour(rank), amounts[name]) for rank, name in enumerate(names)]
    if any(amounts[_REST]):
        series.append(Series(_REST, "c-rest", amounts[_REST]))
    question = replace(view.question, errors="1")
    first = stretches[0].start if stretches else view.now
    slots = [
        Slot(
            periods.short(each, period, first),
            periods.full(each, period),
            f"/calls{question.between(each.start, each.end).query()}",
        )
        for each in stretches
    ]
    drawn = stacks("Failed calls by kind", slots, series, lambda amount: count(round(amount)))
    return drawn, period, possible, kinds


PAGE = Page("reliability", "Reliability", "e", show)
