"""Calls: the log as a table, with what its calls have in common; and one call, in `call`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.pages import call
from llmitm.dashboard.rows import shown
from llmitm.store import charts
from llmitm.store.charts import Facet

_A_PAGE = 50
_VALUES = 8


def show(view: View) -> Shown:
    """Return the table, or the call that the address names."""
    if view.rest:
        return call.show(view)
    log, wanted = view.log, view.question.filter()
    before = view.argument("before")
    last = log.call(before) if before else None
    found = charts.page(log, wanted, _A_PAGE, last)
    more = len(found) > _A_PAGE
    found = found[:_A_PAGE]
    facets, looked_at = charts.facets(log, wanted, _VALUES)
    newer = charts.newer(log, wanted, _A_PAGE, last) if last else None
    content = {
        "calls": shown(found),
        "older": view.address(before=found[-1]["id"]) if more else None,
        "newer": None if newer is None else view.address(before=newer),
        "facets": [_facet(view, facet) for facet in facets],
        "looked_at": looked_at,
    }
    return Shown(content, f"llmitm ls -n {_A_PAGE} {view.question.options()}".strip())


def _facet(view: View, facet: Facet) -> Mapping[str, object]:
    """Return a facet with a link for each value: to those calls, or back from them."""
    question = view.question
    name = facet.dimension.removeprefix("property:")
    is_property = name != facet.dimension
    chosen = question.tags.get(name) if is_property else getattr(question, facet.dimension)
    if is_property:
        without = replace(
            question, tags={key: value for key, value in question.tags.items() if key != name}
        )
    else:
        without = question.narrowed(facet.dimension, "")
    return {
        "name": name,
        "most": max(count for _, count in facet.values),
        "without": f"/calls{without.query()}" if chosen else None,
        "values": [
            (
                value,
                count,
                f"/calls{(without if value == chosen else question.narrowed(facet.dimension, value)).query()}",
                value == chosen,
            )
            for value, count in facet.values
        ],
    }


PAGE = Page("calls", "Calls", "c", show)
