"""The table of ratios: what each target needs, against bare mitmdump and against the bars."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result

YARDSTICK = "bare mitmdump"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    title: str
    value: Callable[[Result], float]
    unit: str
    against: str = "times"
    """How a target is compared with the yardstick: `times`, or `added` to what `direct` needs."""
    bars: tuple[tuple[str, float], ...] = ()
    """The most that a target may have, in the terms of `against`."""


def _percent(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


_BOTH = ("mitmdump -s", "llmitm proxy")

ROWS = (
    Row(
        "CPU a call",
        lambda result: statistics.median(result.cpu_ms_per_call),
        "ms",
        bars=(("mitmdump -s", 1.25), ("llmitm proxy", 1.0)),
    ),
    Row("calls a second", lambda result: statistics.median(result.calls_per_second), "/s"),
    Row("CPU a chunk", lambda result: statistics.median(result.cpu_us_per_chunk), "µs"),
    Row(
        "first chunk, p50",
        lambda result: statistics.median(result.first_chunk_ms),
        "ms",
        "added",
        tuple((name, 5.0) for name in _BOTH),
    ),
    Row(
        "first chunk, p99",
        lambda result: _percent(result.first_chunk_ms, 99),
        "ms",
        "added",
        tuple((name, 20.0) for name in _BOTH),
    ),
    Row("later chunk, p50", lambda result: statistics.median(result.chunk_ms), "ms", "added"),
    Row(
        "later chunk, p99",
        lambda result: _percent(result.chunk_ms, 99),
        "ms",
        "added",
        tuple((name, 1.0) for name in _BOTH),
    ),
    Row("memory, idle", lambda result: result.idle_mb, "MB"),
    Row(
        "memory, 50 streams open",
        lambda result: result.held_mb,
        "MB more",
        "value",
        tuple((name, 150.0) for name in _BOTH),
    ),
    Row("memory, 90 % of the calls later", lambda result: result.grown_mb, "MB more", "value"),
)


def show(results: dict[str, Result], console: Console) -> bool:
    """Print the table and return whether every bar is met."""
    names = list(results)
    table = Table(title="Proxies side by side", title_justify="left", caption_justify="left")
    table.add_column("what")
    for name in names:
        table.add_column(name, justify="right")
    met = True
    for row in ROWS:
        cells = []
        for name in names:
            text, fine = _cell(row, name, results)
            cells.append(text)
            met &= fine
        table.add_row(row.title, *cells)
    table.caption = (
        "× against bare mitmdump; + added to what the way without a proxy takes; "
        "direct is upstream and load generator alone. A bar that is missed is red."
    )
    console.print(table)
    return met


def _cell(row: Row, name: str, results: dict[str, Result]) -> tuple[str, bool]:
    value = row.value(results[name])
    text = f"{value:,.2f} {row.unit}" if value < 100 else f"{value:,.0f} {row.unit}"
    compared: float | None = value
    mark = ""
    if row.against == "times" and name not in ("direct", YARDSTICK) and YARDSTICK in results:
        compared = value / row.value(results[YARDSTICK])
        mark = f"  ×{compared:.2f}"
    elif row.against == "added" and name != "direct":
        compared = value - row.value(results["direct"])
        mark = f"  +{compared:.2f}"
    elif row.against != "value":
        compared = None
    bar = dict(row.bars).get(name)
    if bar is None or compared is None:
        return f"{text}[dim]{mark}[/dim]", True
    fine = compared <= bar
    colour = "green" if fine else "red"
    return f"{text}[{colour}]{mark or ''} (≤ {bar:g})[/{colour}]", fine
