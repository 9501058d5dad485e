"""Models: what each is used for how much, what it really costs, and how fast it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from markupsafe import Markup

from llmitm.cli.output import count, money, seconds
from llmitm.dashboard import spending
from llmitm.dashboard.charts.colours import shades
from llmitm.dashboard.charts.scatter import Point, scatter
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.spending import WHATS, What
from llmitm.store.reader import Sums
from llmitm.store.speeds import MOST_TIMED, Speeds, speeds

_MOST = 60
"""Models that the table has."""
_DRAWN = 24
_PER = 1_000_000
_ORDERS = {
    "cost": lambda row: -row["sums"].cost_nanousd,
    "calls": lambda row: -row["sums"].calls,
    "speed": lambda row: -(row["speeds"].tokens_a_second or 0),
    "latency": lambda row: row["speeds"].latency_p50 or float("inf"),
    "price": lambda row: -(row["per_million"] or 0),
    "errors": lambda row: -row["error_rate"],
}


def show(view: View) -> Shown:
    """Return the page."""
    log, wanted = view.log, view.question.filter()
    order = view.choice("order", tuple(_ORDERS))
    what = cast(What, view.choice("what", WHATS))
    found = log.sums(wanted, ["provider", "model"])
    kept = found[:_MOST]
    times = speeds(log, wanted, [(sums.by[0], sums.by[1]) for sums in kept])
    colours = shades([sums.by[0] for sums in kept])
    rows = [
        _row(view, sums, times[sums.by[0], sums.by[1]], colour)
        for sums, colour in zip(kept, colours, strict=True)
    ]
    cube = spending.cube(view, "model")
    content = {
        "rows": sorted(rows, key=_ORDERS[order]),
        "left": len(found) - len(kept),
        "total": spending.added(found),
        "dearest": max((sums.cost_nanousd for sums in found), default=0),
        "points": _scatter(rows),
        "chart": spending.chart(view, cube, what, f"{what} by model"),
        "what": what,
        "whats": [(each, each) for each in WHATS],
        "order": order,
        "orders": [(each, each) for each in _ORDERS],
        "timed": MOST_TIMED,
    }
    command = f"llmitm stats --by provider,model {view.question.options()}"
    return Shown(content, command, kept={"order": order, "what": what})


def _row(view: View, sums: Sums, speed: Speeds, colour: str) -> Mapping[str, object]:
    provider, model = sums.by
    tokens = sums.input_tokens + sums.output_tokens
    priced = sums.calls - sums.unpriced
    question = view.question.narrowed("provider", provider)
    question = question.narrowed("model", model) if model else question
    return {
        "provider": provider,
        "model": model or "–",
        "colour": colour,
        "sums": sums,
        "speeds": speed,
        "tokens": tokens,
        "per_million": sums.cost_nanousd * _PER / tokens if tokens and priced else None,
        "per_call": sums.cost_nanousd // priced if priced else None,
        "error_rate": sums.errors / sums.calls,
        "link": f"/calls{question.query()}",
        "failed": f"/calls{question.query(errors='1')}",
    }


def _scatter(rows: Sequence[Mapping[str, object]]) -> Markup | None:
    points = []
    for row in rows[:_DRAWN]:
        sums, speed = cast(Sums, row["sums"]), cast(Speeds, row["speeds"])
        cost = cast("int | None", row["per_call"])
        if not cost or speed.latency_p50 is None:
            continue
        lines = (
            f"{row['model']}\t{row['provider']}",
            f"a call\t{money(cost)}",
            f"half took less than\t{seconds(speed.latency_p50)}",
            f"calls\t{count(sums.calls)}",
        )
        points.append(
            Point(
                str(row["model"]),
                cost,
                speed.latency_p50,
                sums.calls,
                str(row["colour"]),
                str(row["link"]),
                "\n".join(lines),
            )
        )
    if not points:
        return None
    return scatter(
        "Cost and latency of a call, by model",
        points,
        lambda cost: money(round(cost)),
        seconds,
        ("the cost of a call", "its latency (p50)"),
    )


PAGE = Page("models", "Models", "m", show)
