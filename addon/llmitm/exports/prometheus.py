"""The log as Prometheus' text, for `/metrics`.

Counters come out of the hourly sums, so they go over all that was ever logged and cost the same with a million calls.
The histogram of times has no sums of its own; it counts the calls from the moment it is first asked for.
https://prometheus.io/docs/instrumenting/exposition_formats/ (read 2026-11-26)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from llmitm.store.reader import Reader

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS: Mapping[str, tuple[str, str]] = {
    "calls": ("llmitm_calls_total", "Calls that were logged."),
    "errors": ("llmitm_errors_total", "Calls that failed at the provider or on the way."),
    "blocked": ("llmitm_blocked_total", "Calls that llmitm refused."),
    "retries": ("llmitm_retries_total", "Attempts after the first."),
    "cache_hits": ("llmitm_cache_hits_total", "Calls that were answered from the cache."),
    "unpriced": ("llmitm_unpriced_calls_total", "Calls without a price."),
}
_TOKENS: Mapping[str, str] = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
_USD: Mapping[str, tuple[str, str]] = {
    "cost_nanousd": ("llmitm_cost_usd_total", "What calls cost, in USD."),
    "saved_nanousd": ("llmitm_saved_usd_total", "What the cache saved, in USD."),
}
_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds."""
_DURATION = "llmitm_call_duration_seconds"

type _Key = tuple[str, str]
"""Provider and model."""


class Metrics:
    """What `/metrics` says of a log; asked by one thread at a time."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._buckets: dict[_Key, list[int]] = {}
        self._seconds: dict[_Key, float] = {}

    def text(self, log: Reader) -> str:
        """Return all metrics. Raises `sqlite3.Error`."""
        self._count(log)
        lines = [*_counters(log), *self._histogram()]
        for name, help_, value in (
            ("llmitm_losses_total", "What could not be logged.", sum(log.losses().values())),
        ):
            lines += [*_head(name, "counter", help_), f"{name} {value}"]
        return "\n".join(lines) + "\n"

    def _count(self, log: Reader) -> None:
        """Count the calls that have come since the last time."""
        if self._last is None:
            self._last = log.last_key()
        for key, provider, model, latency_ms in log.latencies(self._last):
            self._last = max(self._last, key)
            if latency_ms is None:
                continue
            labels = (provider, model or "")
            seconds = latency_ms / 1000
            buckets = self._buckets.setdefault(labels, [0] * (len(_BOUNDS) + 1))
            buckets[bisect_left(_BOUNDS, seconds)] += 1
            self._seconds[labels] = self._seconds.get(labels, 0.0) + seconds

    def _histogram(self) -> Iterator[str]:
        yield from _head(_DURATION, "histogram", "How long calls took, since metrics are read.")
        for (provider, model), buckets in sorted(self._buckets.items()):
            labels = _labels(provider=provider, model=model)
            below = 0
            for bound, number in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                below += number
                yield f'{_DURATION}_bucket{{{labels},le="{bound}"}} {below}'
            yield f"{_DURATION}_sum{{{labels}}} {self._seconds[provider, model]:.3f}"
            yield f"{_DURATION}_count{{{labels}}} {below}"


def _counters(log: Reader) -> Iterator[str]:
    rows = [(_labels(**dict(zip(_BY, each.by, strict=True))), each) for each in log.totals()]
    for name, (metric, help_) in _COUNTERS.items():
        yield from _head(metric, "counter", help_)
        yield from (f"{metric}{{{labels}}} {getattr(sums, name)}" for labels, sums in rows)
    metric = "llmitm_tokens_total"
    yield from _head(metric, "counter", "Tokens; cached_input and cache_write are part of input.")
    for kind, name in _TOKENS.items():
        for labels, sums in rows:
            yield f'{metric}{{{labels},type="{kind}"}} {getattr(sums, name)}'
    for name, (metric, help_) in _USD.items():
        yield from _head(metric, "counter", help_)
        yield from (f"{metric}{{{labels}}} {getattr(sums, name) / 1e9!r}" for labels, sums in rows)


_BY: Sequence[str] = ("provider", "model")


def _head(name: str, kind: str, help_: str) -> tuple[str, str]:
    return f"# HELP {name} {help_}", f"# TYPE {name} {kind}"


def _labels(**labels: str) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
