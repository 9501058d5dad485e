"""Which quotes we agree with, which we do not, and why not."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

from llmitm_pricing import PriceTable
from prices_diff import ours
from prices_diff.quotes import Quote

KNOWN = Path(__file__).with_name("differences.toml")
_OUTVOTING = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """A quote that is not our price."""

    quote: Quote
    usd: Decimal | None
    """Ours; None where we have the model and not this price."""
    with_us: Sequence[str]
    """Who else says what we say."""

    @property
    def is_outvoted(self) -> bool:
        """Whether two other tables agree with ours: a vote of three finds nearly every slip."""
        return len(self.with_us) >= _OUTVOTING


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some quotes differ: an entry of `differences.toml`. Its words are patterns with `*`."""

    reason: str
    sources: Sequence[str] = ("*",)
    providers: Sequence[str] = ("*",)
    models: Sequence[str] = ("*",)
    units: Sequence[str] = ("*",)
    facts: Sequence[str] = ("*",)
    missing: bool = False
    """Whether it is about models that we have no price for."""

    def covers(self, quote: Quote, *, missing: bool) -> bool:
        """Return whether this is why a quote differs."""
        return (
            self.missing == missing
            and _any(self.sources, quote.source)
            and _any(self.providers, quote.provider)
            and _any(self.models, quote.model)
            and _any(self.units, quote.unit)
            and _any(self.facts, str(quote.facts))
        )


@dataclass(slots=True)
class Report:
    """What a comparison found."""

    agreed: list[Quote] = field(default_factory=list)
    different: list[Difference] = field(default_factory=list)
    missing: list[Quote] = field(default_factory=list)
    """Of models that we have no price for."""


def _any(patterns: Sequence[str], text: str) -> bool:
    # Names hold brackets, which are no patterns here.
    return any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)


def reasons(path: Path = KNOWN) -> list[Reason]:
    """Return the differences that are known, with their reasons."""
    return [Reason(**entry) for entry in tomllib.loads(path.read_text("utf-8"))["difference"]]


def compare(table: PriceTable, quotes: Iterable[Quote], at: datetime) -> Report:
    """Compare our table with quotes, as they are at a moment."""
    current = ours.told(ours.current(quotes, at))
    said: dict[tuple[object, ...], dict[str, Decimal]] = defaultdict(dict)
    for quote in current:
        said[_what(quote)][quote.source] = quote.usd
    report = Report()
    for quote in current:
        try:
            usd = ours.price(table, quote, at)
        except KeyError:
            report.missing.append(quote)
            continue
        if usd is not None and ours.close(usd, quote.usd):
            report.agreed.append(quote)
            continue
        with_us = [
            source
            for source, other in said[_what(quote)].items()
            if usd is not None and source != quote.source and ours.close(usd, other)
        ]
        report.different.append(Difference(quote, usd, with_us))
    return report


def _what(quote: Quote) -> tuple[object, ...]:
    return quote.provider, quote.model.casefold(), quote.unit, quote.facts


def unexplained(report: Report, known: Sequence[Reason]) -> list[Quote]:
    """Return the quotes that differ, or whose model is missing, and nobody said why."""
    open_ones = [
        difference.quote
        for difference in report.different
        if not difference.is_outvoted
        and not any(reason.covers(difference.quote, missing=False) for reason in known)
    ]
    return open_ones + [
        quote
        for quote in report.missing
        if not any(reason.covers(quote, missing=True) for reason in known)
    ]


def idle(report: Report, known: Sequence[Reason]) -> list[Reason]:
    """Return the reasons that no longer explain anything."""
    return [
        reason
        for reason in known
        if not any(reason.covers(quote, missing=True) for quote in report.missing)
        and not any(reason.covers(entry.quote, missing=False) for entry in report.different)
    ]
