"""`llmitm price check`: what of the log has no price, and what of the price files wants looking at."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from llmitm.cli.output import Column, clock, count, difference, money, table
from llmitm.home import home
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader, Record
from llmitm_pricing import PriceFileError, PriceTable
from llmitm_pricing.schema import Model

_STALE = timedelta(days=90)
_SOON = timedelta(days=30)
_ODD_SHARE = 0.01
"""A provider's figure may be this far from the table's."""

type Findings = dict[str, list[Record]]


def run(arguments: argparse.Namespace) -> int:
    """Print what is found; 1 where that is anything."""
    place = home()
    price_table = PriceTable.load(own=place.prices).reloaded()
    log = Reader(place.database) if place.database.exists() else None
    try:
        findings = find(log, price_table, Filter(since=arguments.since), everything=arguments.all)
    finally:
        if log is not None:
            log.close()
    if arguments.json:
        print(json.dumps(findings, ensure_ascii=False, indent=2))
    else:
        _print(findings)
    return 1 if any(findings.values()) else 0


def find(
    log: Reader | None, price_table: PriceTable, asked: Filter, *, everything: bool = False
) -> Findings:
    """Return what of the log has no price, and what of the price files wants looking at; of all files, or of those used."""
    unpriced: list[Record] = []
    differing: list[Record] = []
    models: list[tuple[str, str]] = []
    if log is not None:
        unpriced = log.unpriced(asked)
        differing = log.differing(asked, _ODD_SHARE)
        models = log.models()
    now = datetime.now(UTC)
    return {
        "unpriced": unpriced,
        "faulty": list(_faulty(price_table)),
        "stale": list(_stale(price_table, models, now, everything=everything)),
        "ending": list(_ending(price_table, models, now)),
        "differing": differing,
    }


def _faulty(price_table: PriceTable) -> Iterator[Record]:
    """Yield what is wrong in the user's own files."""
    for path, broken in price_table.broken.items():
        for fault in broken.told.splitlines():
            yield {"provider": path.stem, "fault": fault}


def _stale(
    price_table: PriceTable,
    models: Iterable[tuple[str, str]],
    now: datetime,
    *,
    everything: bool,
) -> Iterator[Record]:
    """Yield the price files that nobody has compared to their provider's page for long.

    Files of the user's own, which need not say when they were checked, count where they do say it.
    """
    seen = {provider for provider, _ in models}
    for provider, model in models:
        seen |= {found[0] for found in _found(price_table, provider, model)}
    for provider in price_table.providers() if everything else sorted(seen):
        for file in _files(price_table, provider):
            if file.checked and now.date() - file.checked >= _STALE:
                yield {"provider": provider, "checked": f"{file.checked}", "page": file.page}


def _ending(
    price_table: PriceTable, models: Iterable[tuple[str, str]], now: datetime
) -> Iterator[Record]:
    """Yield prices with an end that is near, or past with nothing after it, of the models that were logged."""
    told = set()
    for provider, name in models:
        for owner, model in _found(price_table, provider, name):
            for until, successor in _ends(model):
                near = now <= until < now + _SOON
                if (near or (until < now and not successor)) and (owner, model.id) not in told:
                    told.add((owner, model.id))
                    yield {
                        "provider": owner,
                        "model": model.id,
                        "until": until.isoformat(),
                        "successor": successor,
                    }


def _ends(model: Model) -> Iterator[tuple[datetime, bool]]:
    """Yield when prices of a model end, and whether another one is there from then on."""
    starts = [price.starts for price in model.price]
    for price in model.price:
        if price.until:
            yield price.until, any(start and start >= price.until for start in starts)


def _found(price_table: PriceTable, provider: str, name: str) -> Iterator[tuple[str, Model]]:
    try:
        found = price_table.find(name, provider)
    except PriceFileError:  # told as faulty
        return
    if found:
        yield found.file.provider, found.entry


def _files(price_table: PriceTable, provider: str) -> Sequence[Any]:
    try:
        return price_table.files(provider)
    except PriceFileError:
        return ()


def _print(findings: Findings) -> None:
    if not any(findings.values()):
        print("nothing to look at")
        return
    for kind, title, columns, cells in _TABLES:
        records = findings[kind]
        if records:
            print(f"{title}:")
            table(columns, [cells(record) for record in records])
            print()
    if findings["unpriced"]:
        print("llmitm price recalc gives them a price where the price files have one by now")


def _unpriced_cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        record["provider"],
        record["model"] or "–",
        count(record["calls"]),
        count(record["tokens"]),
        clock(record["last_seen"]),
        record["reason"] or "",
    )


def _differing_cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        record["provider"],
        record["model"] or "–",
        count(record["calls"]),
        money(record["provider_nanousd"]),
        money(record["table_nanousd"]),
        difference(record["difference_nanousd"]),
    )


_WHOSE = (Column("provider", style="dim"), Column("model"))
_TABLES = (
    (
        "unpriced",
        "without a price",
        (
            *_WHOSE,
            Column("calls", right=True),
            Column("tokens", right=True),
            Column("last seen"),
            Column("why", wide=True),
        ),
        _unpriced_cells,
    ),
    (
        "faulty",
        "price files of your own that are wrong",
        (Column("provider", style="dim"), Column("fault", wide=True)),
        lambda record: (record["provider"], record["fault"]),
    ),
    (
        "stale",
        f"price files not checked for {_STALE.days} days",
        (Column("provider"), Column("checked"), Column("page", wide=True)),
        lambda record: (record["provider"], record["checked"], record["page"] or ""),
    ),
    (
        "ending",
        f"prices that end within {_SOON.days} days, or have ended with none after them",
        (*_WHOSE, Column("until"), Column("then")),
        lambda record: (
            record["provider"],
            record["model"],
            record["until"][:10],
            "the next price" if record["successor"] else "no price",
        ),
    ),
    (
        "differing",
        f"charged by the provider otherwise than by the table, by more than {_ODD_SHARE:.0%}",
        (
            *_WHOSE,
            Column("calls", right=True),
            Column("provider's", right=True),
            Column("table's", right=True),
            Column("difference", right=True),
        ),
        _differing_cells,
    ),
)
