"""Users: who calls which models how much; and one user over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from llmitm.cli.output import count, money, seconds, spent_in_short
from llmitm.dashboard import periods, spending
from llmitm.dashboard.charts.colours import shades
from llmitm.dashboard.charts.parted import parted
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.question import Question
from llmitm.dashboard.rows import shown
from llmitm.dashboard.spending import WHATS, What
from llmitm.store import charts
from llmitm.store.reader import Sums

_MOST = 100
"""Users that the table has."""
_MODELS = 4
"""Models that are named beside a user."""
_LATEST = 15
_ORDERS = {
    "cost": lambda sums: -sums.cost_nanousd,
    "calls": lambda sums: -sums.calls,
    "latency": lambda sums: -(sums.latency_ms / sums.calls),
    "errors": lambda sums: -(sums.errors / sums.calls),
}


def show(view: View) -> Shown:
    """Return the table, or the user that the address names."""
    if view.rest:
        return _one(view, "/".join(view.rest))
    log, wanted = view.log, view.question.filter()
    order = view.choice("order", tuple(_ORDERS))
    by_user: dict[str, list[Sums]] = defaultdict(list)
    for sums in log.sums(wanted, ["user", "provider", "model"]):
        by_user[sums.by[0]].append(sums)
    totals = {user: spending.added(rows) for user, rows in by_user.items()}
    names = sorted(totals, key=lambda user: (_ORDERS[order](totals[user]), user))
    colours = _colours(by_user)
    rows = [
        _row(view.question, user, totals[user], by_user[user], colours) for user in names[:_MOST]
    ]
    total = spending.added(list(totals.values()))
    content = {
        "rows": rows,
        "left": len(names) - len(rows),
        "total": total,
        "dearest": max((sums.cost_nanousd for sums in totals.values()), default=0),
        "order": order,
        "orders": [(each, each) for each in _ORDERS],
        "nobody": not any(totals),
    }
    command = f"llmitm users {view.question.options()}"
    return Shown(content, command.strip(), kept={"order": order})


def _row(
    question: Question,
    user: str,
    total: Sums,
    models: Sequence[Sums],
    colours: Mapping[tuple[str, ...], str],
) -> Mapping[str, object]:
    own = question.narrowed("user", user) if user else None
    ordered = sorted(models, key=lambda sums: -sums.calls)
    return {
        "user": user,
        "sums": total,
        "link": f"/calls{own.query()}" if own else None,
        "failed": f"/calls{own.query(errors='1')}" if own else None,
        "query": question.query(user=""),
        "error_rate": total.errors / total.calls,
        "latency": seconds(total.latency_ms / total.calls),
        "mix": parted([(sums.by[2] or "–", sums.calls, colours[sums.by[1:]]) for sums in ordered]),
        "models": [
            (sums.by[2] or "–", f"{sums.calls / total.calls:.0%}", colours[sums.by[1:]])
            for sums in ordered[:_MODELS]
        ],
        "more": max(len(models) - _MODELS, 0),
    }


def _colours(by_user: Mapping[str, Sequence[Sums]]) -> dict[tuple[str, ...], str]:
    """Return the same colour for the same model everywhere, the most used first."""
    calls: dict[tuple[str, ...], int] = defaultdict(int)
    for rows in by_user.values():
        for sums in rows:
            calls[sums.by[1:]] += sums.calls
    names = sorted(calls, key=lambda name: (-calls[name], name))
    return dict(zip(names, shades([name[0] for name in names]), strict=True))


def _one(view: View, user: str) -> Shown:
    log = view.log
    own = replace(view, question=view.question.narrowed("user", user))
    wanted = own.question.filter()
    what = cast(What, view.choice("what", WHATS))
    found = spending.cube(own, "model")
    since, until = charts.bounds(wanted, charts.first_hour(log), view.now)
    models = log.sums(wanted, ["provider", "model"])
    total = spending.added(models)
    colours = shades([sums.by[0] for sums in models])
    kept = {"what": what, "every": view.argument("every")}
    period = periods.summed(found.period)
    content = {
        "user": user,
        "total": total,
        "cost": spent_in_short(total) if total.calls else money(0),
        "each": money(total.cost_nanousd // total.calls) if total.calls else "–",
        "latency": seconds(total.latency_ms / total.calls if total.calls else None),
        "error_rate": f"{total.errors / total.calls:.1%}" if total.calls else "–",
        "chart": spending.chart(own, found, what, f"{what} of {user} by model"),
        "models": [
            {
                "sums": sums,
                "colour": colour,
                "link": f"/calls{own.question.narrowed('model', sums.by[1]).query()}",
                "latency": seconds(sums.latency_ms / sums.calls),
                "share": count(sums.calls),
            }
            for sums, colour in zip(models, colours, strict=True)
        ],
        "most_calls": max((sums.calls for sums in models), default=0),
        "latest": shown(charts.page(log, wanted, _LATEST)[:_LATEST]),
        "calls": f"/calls{own.question.query()}",
        "failed": f"/calls{own.question.query(errors='1')}",
        "what": what,
        "whats": [(each, each) for each in WHATS],
        "period": found.period,
        "periods": [(each, each) for each in periods.possible(since, until)],
        "back": f"/users{view.question.query(user='')}",
    }
    command = f"llmitm stats --by {period},model {own.question.options()}"
    return Shown(
        content,
        command,
        f"user {user}",
        "user.html",
        kept={name: value for name, value in kept.items() if value},
    )


PAGE = Page("users", "Users", "u", show)
