"""Cache: what our own one saved and keeps, and how much of the prompts the providers read from theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from llmitm.answers import inventory
from llmitm.cli.output import count, money_in_short, seconds, share
from llmitm.dashboard import periods, spending
from llmitm.dashboard.charts.stacks import Series, Slot, stacks
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.spending import Cube
from llmitm.errors import LlmitmError
from llmitm.settings import load
from llmitm.store import charts, given_again
from llmitm.store.given_again import MOST_LOOKED_AT
from llmitm.store.reader import Sums

_ENTRIES = 15
_MODELS = 20
_HOUR = 3_600.0
_AGES = (
    ("1 h", _HOUR),
    ("6 h", 6 * _HOUR),
    ("1 day", 24 * _HOUR),
    ("3 days", 72 * _HOUR),
    ("7 days", 168 * _HOUR),
)
_CLEARS = ("expired", "all")


def show(view: View) -> Shown:
    """Return the page."""
    log, wanted = view.log, view.question.filter()
    now = view.now.timestamp()
    cube = spending.cube(view, "model")
    total = cube.total()
    kept = inventory.totals(view.home.cache, now)
    most = inventory.most_given(view.home.cache, _ENTRIES)
    entries = most or inventory.newest(view.home.cache, _ENTRIES)
    since, until = charts.bounds(wanted, charts.first_hour(log), view.now)
    fared = given_again.asked(log, wanted)
    content = {
        "tiles": _tiles(view, cube, total, fared, kept),
        "calls": _calls(view, cube),
        "ages": _ages(view, now),
        "entries": entries,
        "by_hits": bool(most),
        "known": _known(view, [entry.call_id for entry in entries]),
        "answers": kept,
        "tokens": _tokens(view, cube),
        "models": [_model(each) for each in log.sums(wanted, ["provider", "model"])[:_MODELS]],
        "period": cube.period,
        "periods": [(each, each) for each in periods.possible(since, until)],
        "chart_kept": {"every": view.argument("every")} if view.argument("every") else {},
        "total": total,
        "cut": fared.looked_at >= MOST_LOOKED_AT,
        "looked_at": MOST_LOOKED_AT,
        "seconds_of": lambda moment: int(moment * 1000),
    }
    return Shown(content, "llmitm cache ls", kept={"every": view.argument("every")})


def act(view: View) -> str:
    """Take answers away, as `llmitm cache clear` does."""
    which = view.argument("clear")
    if which not in _CLEARS:
        raise LlmitmError(f"clear={which} is not known: allowed are {', '.join(_CLEARS)}")
    at = view.now.timestamp() if which == "expired" else None
    inventory.clear(view.home.cache, expired_at=at)
    return "/cache"


def _tiles(
    view: View,
    cube: Cube,
    total: Sums,
    fared: given_again.Asked,
    kept: inventory.Totals,
) -> list[Mapping[str, object]]:
    most = load(view.home).cache.size_mb
    found = [
        (
            "given again",
            count(total.cache_hits),
            share(total.cache_hits, total.calls) + " of all calls",
        ),
        ("hit share", share(fared.hits, fared.asked), f"{count(fared.asked)} asked"),
        ("saved", money_in_short(total.saved_nanousd), "what those calls cost before"),
        ("time saved", seconds(fared.saved_ms) if fared.saved_ms else "–", ""),
        ("answers kept", count(kept.answers), f"{kept.size / 1e6:,.1f} of at most {most:,} MB"),
        (
            "the providers' caches",
            share(total.cached_input_tokens, total.input_tokens),
            f"{count(total.cached_input_tokens)} tokens",
        ),
    ]
    sparks: dict[str, Callable[[Sums], float]] = {
        "given again": lambda sums: sums.cache_hits,
        "saved": lambda sums: sums.saved_nanousd,
        "the providers' caches": lambda sums: sums.cached_input_tokens,
    }
    return [
        {
            "name": name,
            "value": value,
            "under": under,
            "spark": cube.over_time(sparks[name]) if name in sparks else None,
        }
        for name, value, under in found
    ]


def _calls(view: View, cube: Cube) -> Markup:
    hits = cube.over_time(lambda sums: sums.cache_hits)
    every = cube.over_time(lambda sums: sums.calls)
    series = [
        Series("given again out of the cache", "c-cached", hits),
        Series("sent on", "c-wait", [a - b for a, b in zip(every, hits, strict=True)]),
    ]
    return stacks("Calls", spending.slots(view, cube), series, lambda amount: count(round(amount)))


def _tokens(view: View, cube: Cube) -> Markup:
    read = cube.over_time(lambda sums: sums.cached_input_tokens)
    written = cube.over_time(lambda sums: sums.cache_write_tokens)
    every = cube.over_time(lambda sums: sums.input_tokens)
    rest = [max(a - b - c, 0) for a, b, c in zip(every, read, written, strict=True)]
    series = [
        Series("read from the provider's cache", "c-cached", read),
        Series("written to it", "c-written", written),
        Series("neither", "c-new", rest),
    ]
    title = "Tokens of prompts"
    return stacks(title, spending.slots(view, cube), series, lambda amount: count(round(amount)))


def _ages(view: View, now: float) -> Markup:
    numbers = inventory.ages(view.home.cache, now, [age for _, age in _AGES])
    names = [*(f"≤ {name}" for name, _ in _AGES), "older"]
    slots = [Slot(name, name) for name in names]
    series = [Series("answers", "c-plain", numbers)]
    return stacks(
        "Ages of answers", slots, series, lambda amount: count(round(amount)), legend=False
    )


def _known(view: View, names: Sequence[str]) -> frozenset[str]:
    """Return which calls the log still has."""
    marks = ", ".join("?" * len(names))
    rows = view.log.connection.execute(f"SELECT id FROM calls WHERE id IN ({marks})", list(names))
    return frozenset(name for (name,) in rows)


def _model(sums: Sums) -> Mapping[str, object]:
    rest = sums.input_tokens - sums.cached_input_tokens - sums.cache_write_tokens
    return {"sums": sums, "rest": max(rest, 0)}


PAGE = Page("cache", "Cache", "h", show, act=act)
