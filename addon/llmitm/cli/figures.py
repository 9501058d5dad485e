"""The figures that calls add up to, as columns: the same ones in every report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from llmitm.cli.output import Column, count, money, seconds, share, spent

if TYPE_CHECKING:
    from llmitm.store.sums import Sums

COLUMNS = (
    Column("calls", right=True),
    Column("errors", right=True, style="red"),
    Column("in", right=True),
    Column("cached", right=True, style="dim", spare=1),
    Column("out", right=True),
    Column("cost", right=True, style="green"),
    Column("unpriced", right=True, style="yellow", spare=2),
    Column("mean", right=True, style="dim", spare=3),
)

type Seldom = tuple[str, str, Callable[[int], str]]
SELDOM: tuple[Seldom, ...] = (
    ("retries", "retries", count),
    ("blocked", "blocked", count),
    ("cached calls", "cache_hits", count),
    ("saved", "saved_nanousd", money),
)
"""What has its columns where it was."""


def seldom(total: Sequence[Sums]) -> Sequence[Seldom]:
    """Return which of the seldom figures there are."""
    return [each for each in SELDOM if any(getattr(sums, each[1]) for sums in total)]


def cells(sums: Sums, more: Sequence[Seldom] = ()) -> tuple[str, ...]:
    """Return the figures as they are shown under `COLUMNS`."""
    return (
        count(sums.calls),
        count(sums.errors) if sums.errors else "–",
        count(sums.input_tokens),
        share(sums.cached_input_tokens, sums.input_tokens),
        count(sums.output_tokens),
        spent(sums),
        count(sums.unpriced) if sums.unpriced else "–",
        seconds(sums.latency_ms / sums.calls if sums.calls else None),
        *(shown(getattr(sums, name)) if getattr(sums, name) else "–" for _, name, shown in more),
    )


def fields(sums: Sums) -> Mapping[str, int | float | None]:
    """Return the figures for JSON: cost is null where no call has a price, and what is worked out of two has its name."""
    from llmitm.store.reader import as_mapping

    calls = sums.calls
    return {
        **as_mapping(sums),
        "mean_latency_ms": round(sums.latency_ms / calls) if calls else None,
        "error_rate": round(sums.errors / calls, 4) if calls else None,
    }
