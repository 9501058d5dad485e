"""Workflows: what the calls of an agent's steps cost and take, by any properties, one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from llmitm.cli.output import money, seconds
from llmitm.dashboard import spending
from llmitm.dashboard.charts.bars import bar
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.question import Question
from llmitm.errors import LlmitmError
from llmitm.store import charts, steps
from llmitm.store.steps import MOST_LOOKED_AT, Node, Tree

_USUAL = (("workflow", "step"), ("agent", "step"), ("agent", "task"))
_MOST_LEVELS = 4
_MOST_ROWS = 200
_DRAWN = 7


def show(view: View) -> Shown:
    """Return the page."""
    log, wanted = view.log, view.question.filter()
    names = charts.property_names(log)
    chosen = _chosen(view.argument("by"), names)
    found = steps.tree(log, wanted, chosen) if chosen else Tree((), 0, False)
    whole = sum(node.cost_nanousd for node in found.nodes)
    rows = list(_rows(view.question, found.nodes, chosen, whole))
    kept = {"by": ",".join(chosen)}
    every = steps.values(log, wanted, chosen[0]) if chosen and found.is_cut else found.looked_at
    content = {
        "names": names,
        "chosen": chosen,
        "offered": _offered(names, chosen),
        "rows": rows[:_MOST_ROWS],
        "left": max(len(rows) - _MOST_ROWS, 0),
        "cut": found.is_cut,
        "every": every,
        "looked_at": MOST_LOOKED_AT,
        "chart": _chart(view, chosen[0]) if found.nodes else None,
    }
    by = f"--by {quote(','.join(chosen))} " if chosen else ""
    return Shown(content, f"llmitm workflows {by}{view.question.options()}".strip(), kept=kept)


def _chosen(by: str, names: Sequence[str]) -> list[str]:
    """Return the properties that are shown, under their own names. Raises `LlmitmError`."""
    known = {name.lower(): name for name in names}
    if by:
        words = list(dict.fromkeys(word.strip() for word in by.split(",") if word.strip()))
        if not 0 < len(words) <= _MOST_LEVELS:
            raise LlmitmError(f"by={by}: allowed are one to {_MOST_LEVELS} properties")
        return [known.get(word.lower(), word) for word in words]
    for usual in _USUAL:
        if usual[0] in known:
            return [known[name] for name in usual if name in known]
    return [names[0]] if names else []


def _offered(names: Sequence[str], chosen: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Return properties with what `by` becomes when one is added, or taken away."""
    found = []
    for name in names:
        rest = [each for each in chosen if each.lower() != name.lower()]
        is_chosen = len(rest) < len(chosen)
        found.append((name, ",".join(rest if is_chosen else [*chosen, name]), is_chosen))
    return [each for each in found if each[1] and each[1].count(",") < _MOST_LEVELS]


def _rows(
    question: Question,
    nodes: Sequence[Node],
    names: Sequence[str],
    whole: int,
    depth: int = 0,
    path: str = "",
) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a tree, each before those below it."""
    for node in nodes:
        own = question.narrowed(f"property:{names[depth]}", node.value) if node.value else None
        place = f"{path}/{node.value}"
        yield {
            "id": place,
            "depth": depth,
            "name": node.value,
            "property": names[depth],
            "node": node,
            "bar": bar(node.cost_nanousd, whole, "c-plain" if depth == 0 else "c-new"),
            "each": money(node.cost_nanousd // node.calls),
            "latency": seconds(node.latency_ms / node.calls),
            "link": f"/calls{own.query()}" if own else None,
            "failed": f"/calls{own.query(errors='1')}" if own else None,
        }
        yield from _rows(own or question, node.below, names, whole, depth + 1, place)


def _chart(view: View, name: str) -> object:
    cube = spending.cube(view, f"property:{name}")
    return spending.chart(view, cube, "cost", f"cost by {name}")


PAGE = Page("workflows", "Workflows", "w", show)
