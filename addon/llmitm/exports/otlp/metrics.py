"""Calls as OTLP's metrics: what each hour's calls add to histograms of tokens and times, and to the cost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmitm.exports.otlp import names
from llmitm.exports.otlp.protobuf import (
    Attribute,
    attributes,
    blob,
    double,
    fixed,
    integer,
    packed_double,
    packed_fixed,
    text,
)
from llmitm.exports.otlp.spans import resource, scope
from llmitm.store.reader import Record

_TOKEN_BOUNDS = tuple(float(4**power) for power in range(14))
_SECOND_BOUNDS = tuple(0.01 * 2**power for power in range(14))
"""The conventions' own."""
_DELTA = 1
_NS_A_MS = 1_000_000
_HOUR_MS = 3_600_000

type _Labels = tuple[tuple[str, Attribute], ...]


@dataclass(slots=True)
class _Points:
    """What is counted of one metric for one set of labels in one hour."""

    values: list[float] = field(default_factory=list)
    first_ms: int = 0
    last_ms: int = 0


@dataclass(slots=True)
class _Metric:
    name: str
    unit: str
    description: str
    bounds: tuple[float, ...] | None
    """None for a sum."""
    points: dict[tuple[int, _Labels], _Points] = field(default_factory=dict)

    def add(self, call: Record, labels: Mapping[str, Attribute | None], value: float) -> None:
        """Count a value of a call."""
        known = tuple((name, each) for name, each in labels.items() if each is not None)
        at = call["started_at"]
        ended = at + (call["latency_ms"] or 0)
        points = self.points.setdefault((at // _HOUR_MS, known), _Points(first_ms=at))
        points.values.append(value)
        points.first_ms, points.last_ms = min(points.first_ms, at), max(points.last_ms, ended)


def request(calls: Sequence[Record], service: str) -> bytes:
    """Return an `ExportMetricsServiceRequest`."""
    tokens = _Metric("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", _TOKEN_BOUNDS)  # fmt: skip
    times = _Metric("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _SECOND_BOUNDS)  # fmt: skip
    first = _Metric("gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk.", _SECOND_BOUNDS)  # fmt: skip
    cost = _Metric("llmitm.cost", "USD", "What calls cost.", None)
    for call in calls:
        labels = names.common(call)
        for kind in ("input", "output"):
            count = call[f"{kind}_tokens"]
            if count is not None and call["counted"]:
                tokens.add(call, {**labels, "gen_ai.token.type": kind}, count)
        if call["latency_ms"] is not None:
            times.add(call, {**labels, "error.type": names.error(call)}, call["latency_ms"] / 1000)
        if call["streaming"] and call["first_content_ms"] is not None:
            first.add(call, labels, call["first_content_ms"] / 1000)
        if call["cost_nanousd"] is not None:
            cost.add(call, labels, call["cost_nanousd"] / 1e9)
    metrics = b"".join(
        blob(2, _metric(each)) for each in (tokens, times, first, cost) if each.points
    )
    return blob(1, resource(service) + blob(2, scope() + metrics) + text(3, names.SCHEMA))


def _metric(metric: _Metric) -> bytes:
    points = b"".join(
        blob(
            1,
            _sum(each, labels)
            if metric.bounds is None
            else _histogram(each, labels, metric.bounds),
        )
        for (_, labels), each in metric.points.items()
    )
    data = points + integer(2, _DELTA)
    head = text(1, metric.name) + text(2, metric.description) + text(3, metric.unit)
    return head + (blob(7, data + integer(3, 1)) if metric.bounds is None else blob(9, data))


def _histogram(points: _Points, labels: _Labels, bounds: tuple[float, ...]) -> bytes:
    buckets = [0] * (len(bounds) + 1)
    for value in points.values:
        buckets[bisect_left(bounds, value)] += 1
    return (
        _times(points)
        + fixed(4, len(points.values))
        + double(5, sum(points.values))
        + packed_fixed(6, buckets)
        + packed_double(7, bounds)
        + attributes(9, dict(labels))
        + double(11, min(points.values))
        + double(12, max(points.values))
    )


def _sum(points: _Points, labels: _Labels) -> bytes:
    return _times(points) + double(4, sum(points.values)) + attributes(7, dict(labels))


def _times(points: _Points) -> bytes:
    return fixed(2, points.first_ms * _NS_A_MS) + fixed(3, points.last_ms * _NS_A_MS)
