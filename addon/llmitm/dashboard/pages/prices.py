"""Prices: what has none or wants looking at, what logged calls would cost elsewhere, and the table itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from shlex import quote

from llmitm.cli.output import count, difference, money
from llmitm.cli.price import check, whatif
from llmitm.cli.price.common import find, none_found, price_at, span
from llmitm.cli.price.common import money as usd
from llmitm.dashboard.charts.bars import bar
from llmitm.dashboard.charts.colours import family
from llmitm.dashboard.page import NotFoundError, Page, Shown, View
from llmitm.dashboard.prices import price_table
from llmitm.dashboard.question import Question
from llmitm.errors import LlmitmError, StoreError
from llmitm.store import bounded
from llmitm.store.reader import Reader
from llmitm_pricing import PriceFileError, PriceTable
from llmitm_pricing.schema import Model, Price
from llmitm_pricing.table import PricedModel

_MOST_ROWS = 120
_MOST_PRICED = 2_000
"""Calls that are priced again while somebody waits, the latest."""
_MOST_FOUND = 20
_UNITS = ("input", "cached_input", "cache_write", "output")
_TIERS = ("", "batch", "flex", "priority")
_LIFETIMES = {"": 0, "1h": 3_600_000, "1d": 86_400_000, "7d": 7 * 86_400_000}
"""For how long our cache would keep answers, in milliseconds."""
_DAY = "%Y-%m-%d"


def show(view: View) -> Shown:
    """Return the page, or the model that the address names."""
    table = price_table(view.home)
    try:
        return _one(view, table) if view.rest else _all(view, table)
    except PriceFileError as error:
        raise LlmitmError(str(error)) from error


def _all(view: View, table: PriceTable) -> Shown:
    log = _log(view)
    text = view.argument("find").casefold()
    rows = list(_found(table, text, view.now) if text else _logged(table, log, view.now))
    target = {name: view.argument(name) for name in ("model_there", "provider_there", "tier")}
    target["cached"] = view.choice("cached", tuple(_LIFETIMES))
    asked = any(target.values())
    compared = _compared(view, log, table, target) if asked and log else None
    content = {
        "findings": check.find(log, table, view.question.filter()),
        "rows": rows[:_MOST_ROWS],
        "left": max(len(rows) - _MOST_ROWS, 0),
        "text": view.argument("find"),
        "providers": len(table.providers()),
        "target": target,
        "tiers": _TIERS,
        "lifetimes": list(_LIFETIMES),
        "compared": compared,
        "models": list(_names(table, log)),
        "difference": difference,
    }
    command = "llmitm price check"
    if compared:
        command = f"llmitm price whatif {_options(target)} {_filters(view.question)}".strip()
    return Shown(content, command, kept={**target, "find": view.argument("find")})


def _options(target: Mapping[str, str]) -> str:
    if target["cached"]:
        return f"--cached {target['cached']}"
    names = {"model_there": "--model", "provider_there": "--provider", "tier": "--tier"}
    return " ".join(
        f"{names[name]} {quote(value)}" for name, value in target.items() if name in names and value
    )


def _filters(question: Question) -> str:
    """Return the filters as that command has them, whose `--model` is the one that is compared with."""
    words = [question.narrowed("model", "").narrowed("provider", "").options()]
    words += [f"--of {quote(question.model)}"] if question.model else []
    words += [f"--of-provider {quote(question.provider)}"] if question.provider else []
    return " ".join(words)


def _log(view: View) -> Reader | None:
    try:
        return view.log
    except StoreError:
        return None


def _compared(
    view: View, log: Reader, table: PriceTable, target: Mapping[str, str]
) -> Mapping[str, object]:
    """Return what the latest calls that fit cost, and would have cost."""
    model, tier, cached = target["model_there"] or None, target["tier"] or None, target["cached"]
    if cached and (model or tier):
        raise LlmitmError("our cache is asked alone: what a hit saves is what the call cost")
    provider = None
    if model is not None:
        provider = whatif.provider_of(table, model, _whose(table, log, target))
    wanted, is_cut = bounded.latest(log, view.question.filter(), _MOST_PRICED)
    if cached:
        found = whatif.compare_cached(log.asked(wanted, _LIFETIMES[cached]))
    else:
        found = whatif.compare(log.bases(wanted).steps(), table, provider, model, tier)
    whole = whatif.added(found)
    where = f"{provider}/{model}" if model else "the same models"
    where = f"our cache, {cached}" if cached else where
    most = max((max(each.now_nanousd, each.then_nanousd) for each in found.values()), default=0)
    return {
        "where": where + (f", {tier}" if tier else ""),
        "rows": [
            {
                "provider": owner,
                "model": name or "–",
                "colour": family(owner),
                "now_bar": bar(each.now_nanousd, most, "c-wait"),
                "then_bar": bar(each.then_nanousd, most),
                **_figures(each),
            }
            for (owner, name), each in whatif.in_order(found)
            if each.calls
        ],
        "total": _figures(whole),
        "left_out": whole.left_out.most_common(),
        "cut": is_cut,
        "most": _MOST_PRICED,
        "note": whatif.CACHE_NOTE if cached else (whatif.NOTE if model else whatif.TIER_NOTE),
        "hits": count(whole.hits) if cached else "",
    }


def _whose(table: PriceTable, log: Reader, target: Mapping[str, str]) -> str | None:
    """Return whose model is meant: who is named, else the one of several that calls go to."""
    if target["provider_there"]:
        return target["provider_there"]
    seen = {provider for provider, _ in log.models()}
    found = [name for name, _ in find(table, target["model_there"], None) if name in seen]
    return found[0] if len(found) == 1 else None


def _figures(each: whatif.Comparison) -> Mapping[str, object]:
    more = each.more
    return {
        "calls": count(each.calls),
        "tokens": count(each.input_tokens + each.output_tokens),
        "now": money(each.now_nanousd),
        "then": money(each.then_nanousd),
        "difference": difference(more),
        "percent": f"{more / each.now_nanousd:+.0%}" if each.now_nanousd else "–",
        "kind": "good-word" if more < 0 else ("bad-word" if more > 0 else ""),
    }


def _logged(table: PriceTable, log: Reader | None, now: datetime) -> Iterator[Mapping[str, object]]:
    """Yield the prices of the models that were ever logged."""
    seen: set[tuple[str, str]] = set()
    for provider, name in log.models() if log else ():
        found = table.find(name, provider) if name else None
        if found and (key := (provider, found.entry.id)) not in seen:
            seen.add(key)
            yield _row(provider, found, now)


def _found(table: PriceTable, text: str, now: datetime) -> Iterator[Mapping[str, object]]:
    """Yield the prices of the models whose names, or whose provider's, have a text in them."""
    for provider in table.providers():
        for file in table.files(provider):
            for model in file.model:
                names = (provider, model.id, *model.match)
                found = table.find(model.id, provider) if _has(names, text) else None
                if found and found.entry is model:
                    yield _row(provider, found, now)


def _has(names: Sequence[str], text: str) -> bool:
    return any(text in name.casefold() for name in names)


def _row(provider: str, found: PricedModel, now: datetime) -> Mapping[str, object]:
    model = found.entry
    price = price_at(model, now)
    checked = model.checked or found.file.checked
    return {
        "provider": provider,
        "model": model.id,
        "colour": family(provider),
        "units": [_mtok(price, unit) for unit in _UNITS],
        "else": _else(price),
        "since": f"{price.starts:{_DAY}}" if price and price.starts else "–",
        "until": f"{price.until:{_DAY}}" if price and price.until else "",
        "next": _next(model, now),
        "checked": checked.isoformat() if checked else "–",
        "page": _page(model.page or found.file.page),
        "ended": price is None,
    }


def _mtok(price: Price | None, unit: str) -> str:
    if price is None:
        return "–"
    value = price.mtok.get(unit)
    if value is None and unit == "cache_write":
        value = price.mtok.get("cache_write_5m")
    return _plain(value)


def _plain(value: Decimal | None) -> str:
    return "–" if value is None else usd(value)


def _else(price: Price | None) -> str:
    if price is None:
        return "no price now"
    return price.free or ", ".join(f"{span(item)} a {item.unit}" for item in price.item)


def _next(model: Model, now: datetime) -> str:
    coming = [price.starts for price in model.price if price.starts and price.starts > now]
    return f"{min(coming):{_DAY}}" if coming else ""


def _page(address: str | None) -> str | None:
    """Return an address that a browser may be sent to."""
    return address if address and address.startswith("https://") else None


def _names(table: PriceTable, log: Reader | None) -> Iterator[str]:
    """Yield models to choose from: those of the providers that were logged."""
    seen = {provider for provider, _ in (log.models() if log else ())}
    for provider in table.providers():
        if provider in seen:
            for file in table.files(provider):
                yield from (model.id for model in file.model)


def _one(view: View, table: PriceTable) -> Shown:
    provider, name = (*view.rest, "")[0], "/".join(view.rest[1:])
    found = next((each for _, each in find(table, name, provider)), None) if name else None
    if found is None:
        raise NotFoundError(none_found(table, name or provider, provider if name else None))
    content = {
        "provider": provider,
        "entry": found.entry,
        "row": _row(provider, found, view.now),
        "note": found.entry.note or "",
        "names": list(found.entry.match)[:_MOST_FOUND],
        "history": [_block(price, view.now) for price in reversed(found.entry.price)],
    }
    command = f"llmitm price show {quote(name)} --provider {quote(provider)}"
    return Shown(content, command, f"{name}, prices", "price.html")


def _block(price: Price, now: datetime) -> Mapping[str, object]:
    holds = (price.starts is None or price.starts <= now) and (
        price.until is None or now < price.until
    )
    lines = [
        (unit.replace("_", " "), f"{usd(value)} per 1M tokens")
        for unit, value in price.mtok.items()
    ]
    lines += [(item.unit.replace("_", " "), span(item)) for item in price.item]
    lines += [(f"fee for {name}", usd(value)) for name, value in price.fee.items()]
    return {
        "since": f"{price.starts:{_DAY}}" if price.starts else "ever",
        "until": f"{price.until:{_DAY}}" if price.until else "",
        "holds": holds,
        "free": price.free or "",
        "lines": lines,
        "variants": len(price.variant),
    }


PAGE = Page("prices", "Prices", "p", show, needs_log=False)
