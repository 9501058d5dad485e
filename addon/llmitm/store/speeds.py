"""How fast models answered lately, each by the latest of its calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from llmitm.store import filters
from llmitm.store.charts import quantiles
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader

MOST_TIMED = 300
"""Calls of a model that are looked at, the latest."""
_STREAMED_MS = 50
"""An answer whose content came in less came at once: its speed says nothing."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """How long calls of a model took, in milliseconds; None where no call tells."""

    calls: int
    latency_p50: int | None
    latency_p95: int | None
    first_p50: int | None
    first_p95: int | None
    tokens_a_second: float | None
    """While the answer came, in the median."""


def speeds(
    log: Reader, wanted: Filter, models: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Speeds]:
    """Return how fast some models were, by provider and model, for calls that fit and that a provider answered."""
    return {(provider, model): _of(log, wanted, provider, model) for provider, model in models}


def _of(log: Reader, wanted: Filter, provider: str, model: str) -> Speeds:
    given, values = filters.conditions(replace(wanted, model=None, provider=None))
    source = "calls INDEXED BY calls_by_model" if model else "calls INDEXED BY calls_by_provider"
    given += ["calls.model = ?" if model else "calls.model IS NULL", "calls.provider = ?"]
    values += [model] if model else []
    values.append(provider)
    given += ["calls.outcome = 'ok'", "calls.cache IS NOT 'hit'", "calls.latency_ms IS NOT NULL"]
    rows = log.connection.execute(
        f"SELECT latency_ms, first_content_ms, output_tokens FROM {source}"
        f" WHERE {' AND '.join(given)} ORDER BY calls.started_at DESC LIMIT ?",
        [*values, MOST_TIMED],
    ).fetchall()
    latencies = [latency for latency, _, _ in rows]
    firsts = [first for _, first, _ in rows if first is not None]
    rates = sorted(
        tokens / (latency - first) * 1000
        for latency, first, tokens in rows
        if first is not None and tokens and latency - first > _STREAMED_MS
    )
    rate = rates[len(rates) // 2] if rates else None
    shares = (0.5, 0.95)
    latency_p50, latency_p95 = quantiles(latencies, shares)
    first_p50, first_p95 = quantiles(firsts, shares)
    return Speeds(len(rows), latency_p50, latency_p95, first_p50, first_p95, rate)
