"""Now: what was spent, how it goes, and the latest calls."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import cast

from llmitm.cli.output import count, money, money_in_short, seconds, share, spent_in_short
from llmitm.dashboard import periods, spending
from llmitm.dashboard.changes import Change, change
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.rows import shown
from llmitm.dashboard.spending import DIMENSIONS, WHATS, Cube, What
from llmitm.store import charts
from llmitm.store.charts import Times
from llmitm.store.reader import Sums

_LATEST = 15
_PROPERTIES = 6
_PROPERTY = "property:"


def show(view: View) -> Shown:
    """Return the page."""
    log, wanted = view.log, view.question.filter()
    names = charts.property_names(log)
    what = cast(What, view.choice("what", WHATS))
    by = view.choice("by", (*DIMENSIONS, *(_PROPERTY + name for name in names)))
    found = spending.cube(view, by)
    # Calls without a property are not in its sums.
    whole = found if not by.startswith(_PROPERTY) else spending.cube(view, "model")
    # Words are looked for among the latest calls: what was before would not be all of it.
    earlier = None if wanted.text else charts.before(wanted, view.now)
    past = spending.added(log.sums(earlier)) if earlier else None
    since, until = charts.bounds(wanted, charts.first_hour(log), view.now)
    kept = {"what": what, "by": by, "every": view.argument("every")}
    period = periods.summed(found.period)
    content = {
        "tiles": _tiles(view, whole, past, charts.times(log, wanted)),
        "chart": spending.chart(view, found, what, f"{what} by {by.removeprefix(_PROPERTY)}"),
        "what": what,
        "whats": [(each, each) for each in WHATS],
        "by": by,
        "dimensions": [(each, each.removeprefix(_PROPERTY)) for each in _dimensions(names, by)],
        "period": found.period,
        "periods": [(each, each) for each in periods.possible(since, until)],
        "utc": found.utc and view.now.utcoffset(),
        "latest": shown(charts.page(log, wanted, _LATEST)[:_LATEST]),
        "losses": log.losses(),
        "empty": not whole.rows,
        "chart_kept": {name: value for name, value in kept.items() if value},
    }
    command = f"llmitm stats --by {quote(f'{period},{by}')} {view.question.options()}"
    return Shown(content, command, kept=kept)


def _dimensions(names: list[str], by: str) -> list[str]:
    offered = [*DIMENSIONS, *(_PROPERTY + name for name in names[:_PROPERTIES])]
    return offered if by in offered else [*offered, by]


def _tiles(view: View, cube: Cube, past: Sums | None, times: Times) -> list[Mapping[str, object]]:
    total = cube.total()
    calls = f"/calls{view.question.query()}"
    failed = f"/calls{view.question.query(errors='1')}"

    def against(name: str) -> Change | None:
        return change(getattr(total, name), getattr(past, name)) if past else None

    error_rate = total.errors / total.calls if total.calls else None
    past_rate = past.errors / past.calls if past and past.calls else None
    each = f"{money(total.cost_nanousd // total.calls)} a call" if total.calls else ""
    unpriced = f"{count(total.unpriced)} unpriced"
    return [
        {
            "name": "spend",
            "value": spent_in_short(total) if total.calls else money(0),
            "link": calls,
            "under": unpriced if total.unpriced else each,
            "spark": cube.over_time(lambda sums: sums.cost_nanousd),
            "change": against("cost_nanousd"),
            "good": "down",
        },
        {
            "name": "calls",
            "value": count(total.calls),
            "link": calls,
            "under": f"{count(total.retries)} retries" if total.retries else "",
            "spark": cube.over_time(lambda sums: sums.calls),
            "change": against("calls"),
            "good": "neither",
        },
        {
            "name": "tokens in",
            "value": count(total.input_tokens),
            "link": calls,
            "under": f"{share(total.cached_input_tokens, total.input_tokens)} cached",
            "spark": cube.over_time(lambda sums: sums.input_tokens),
            "change": against("input_tokens"),
            "good": "neither",
        },
        {
            "name": "tokens out",
            "value": count(total.output_tokens),
            "link": calls,
            "under": f"{share(total.reasoning_tokens, total.output_tokens)} reasoning"
            if total.reasoning_tokens
            else "",
            "spark": cube.over_time(lambda sums: sums.output_tokens),
            "change": against("output_tokens"),
            "good": "neither",
        },
        {
            "name": "errors",
            "value": f"{error_rate:.1%}" if error_rate is not None else "–",
            "link": failed,
            "under": f"{count(total.errors)} calls"
            + (f" · {count(total.blocked)} blocked" if total.blocked else ""),
            "spark": cube.over_time(lambda sums: sums.errors),
            "change": change(error_rate, past_rate),
            "good": "down",
        },
        {
            "name": "our cache",
            "value": money_in_short(total.saved_nanousd),
            "link": calls,
            "under": f"{count(total.cache_hits)} hits",
            "spark": cube.over_time(lambda sums: sums.saved_nanousd),
            "change": against("saved_nanousd"),
            "good": "up",
        },
        {
            "name": "latency p95",
            "value": seconds(times.latency_p95),
            "link": calls,
            "under": f"p50 {seconds(times.latency_p50)}",
            "spark": cube.over_time(lambda sums: sums.latency_ms / sums.calls if sums.calls else 0),
            "change": None,
            "good": "down",
        },
        {
            "name": "first token p95",
            "value": seconds(times.first_p95),
            "link": calls,
            "under": f"p50 {seconds(times.first_p50)}",
            "spark": None,
            "change": None,
            "good": "down",
        },
    ]


PAGE = Page("now", "Now", "n", show)
