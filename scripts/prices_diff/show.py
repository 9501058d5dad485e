"""The comparison as people read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prices_diff.compare import Difference, Reason, Report
from prices_diff.quotes import Quote

type Model = tuple[str, str]


TABLES = ("genai-prices", "litellm", "models.dev")


class Agreement(NamedTuple):
    """How much of another table we have, and how much of that is equal."""

    models: int
    priced: int
    prices: int
    equal: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The figures as they are printed, each count followed by its share of the one before."""
        return (
            f"{self.models:,}",
            f"{self.priced:,}",
            f"{self.priced / max(1, self.models):.1%}",
            f"{self.prices:,}",
            f"{self.equal:,}",
            f"{self.equal / max(1, self.prices):.1%}",
        )


def agreement(report: Report, source: str) -> Agreement:
    """Return how a table agrees with ours."""
    different = [entry.quote for entry in report.different if entry.quote.source == source]
    equal = [quote for quote in report.agreed if quote.source == source]
    priced = _models(source, [*equal, *different])
    models = priced | _models(source, report.missing)
    return Agreement(len(models), len(priced), len(equal) + len(different), len(equal))


def coverage(report: Report, console: Console) -> None:
    """Print how many models and prices of each table we have, and how many are equal."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in ("table", "models", "priced", "share", "prices", "equal", "share"):
        table.add_column(title, justify="left" if title == "table" else "right")
    for source in TABLES:
        table.add_row(source, *agreement(report, source).cells)
    console.print(table)


def differences(
    report: Report, known: Sequence[Reason], console: Console, *, provider: str | None
) -> None:
    """Print who says what, model by model, with the reason where there is one."""
    by_model: dict[Model, list[Difference]] = defaultdict(list)
    for entry in report.different:
        if provider in (None, entry.quote.provider):
            by_model[entry.quote.provider, entry.quote.model].append(entry)
    for (name, model), entries in sorted(by_model.items()):
        console.print(f"[bold]{escape(name)}/{escape(model)}[/]")
        for entry in entries:
            console.print(
                f"  {escape(_line(entry))}  [dim]{escape(_why(entry, known))}[/]", soft_wrap=True
            )
    absent = {(q.provider, q.model): q for q in report.missing if provider in (None, q.provider)}
    for (name, model), quote in sorted(absent.items()):
        why = next((r.reason for r in known if r.covers(quote, missing=True)), "NOT EXPLAINED")
        console.print(
            f"[bold]{escape(name)}/{escape(model)}[/]  no price  [dim]{escape(why)}[/]",
            soft_wrap=True,
        )


def _line(entry: Difference) -> str:
    quote = entry.quote
    facts = f" ({quote.facts})" if str(quote.facts) else ""
    return f"{quote.unit}{facts}: {quote.source} {money(quote.usd)}, ours {money(entry.usd)}"


def _why(entry: Difference, known: Sequence[Reason]) -> str:
    if entry.is_outvoted:
        return f"{' and '.join(entry.with_us)} say what we say"
    return next((r.reason for r in known if r.covers(entry.quote, missing=False)), "NOT EXPLAINED")


def money(usd: Decimal | None) -> str:
    """Return a price as it would stand in a file."""
    return "none" if usd is None else f"{usd:.6g}"


def _models(source: str, quotes: Sequence[Quote]) -> set[Model]:
    return {(quote.provider, quote.model) for quote in quotes if quote.source == source}
