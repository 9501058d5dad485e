"""Usage as Bedrock itself counts it: in Converse's `usage`, in headers, in the metrics that end a stream.

All three leave what was read from and written to the cache out of the input, and none counts reasoning.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html (read 2026-11-26)
"""

from __future__ import annotations

from typing import NamedTuple

from llmitm.calls import Headers, Json, ReportedUsage, Usage, header
from llmitm.providers.fields import count, items, mapping, total

METRICS = "amazon-bedrock-invocationMetrics"
"""Where the last event of a stream has its counts."""


class Counts(NamedTuple):
    """Four counts as they were reported."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    written: int | None = None

    def filled_from(self, other: Counts) -> Counts:
        """Return these counts, those that are missing taken from elsewhere."""
        pairs = zip(self, other, strict=True)
        return Counts(*(theirs if own is None else own for own, theirs in pairs))

    def reported(self) -> ReportedUsage:
        """Return the counts as they are."""
        return ReportedUsage(self.input, self.output, self.cached, self.written)

    def usage(self, details: Json = None) -> Usage:
        """Return the counts in the one form; `details` are Converse's `cacheDetails`."""
        if self.input is None and self.output is None:
            return Usage()
        whole = None if self.input is None else total(self.input, self.cached, self.written)
        return Usage(
            source="reported",
            input_tokens=whole,
            output_tokens=self.output,
            cached_input_tokens=self.cached,
            cache_write_tokens=self.written,
            cache_write_5m_tokens=_written(details, "5m"),
            cache_write_1h_tokens=_written(details, "1h"),
        )


def from_usage(usage: dict[str, Json]) -> Counts:
    """Return the counts of a `usage` object of Converse or Nova."""
    return Counts(
        count(usage.get("inputTokens")),
        count(usage.get("outputTokens")),
        _first(usage, "cacheReadInputTokens", "cacheReadInputTokenCount"),
        _first(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
    )


def from_elsewhere(headers: Headers, document: Json) -> Counts:
    """Return what the headers of an invocation tell, and after them the metrics of its stream."""
    metrics = mapping(mapping(document).get(METRICS))
    return Counts(
        _in_header(headers, "input"),
        _in_header(headers, "output"),
        _in_header(headers, "cache-read-input"),
        _in_header(headers, "cache-write-input"),
    ).filled_from(
        Counts(
            count(metrics.get("inputTokenCount")),
            count(metrics.get("outputTokenCount")),
            count(metrics.get("cacheReadInputTokenCount")),
            count(metrics.get("cacheWriteInputTokenCount")),
        )
    )


def _in_header(headers: Headers, name: str) -> int | None:
    value = header(headers, f"x-amzn-bedrock-{name}-token-count")
    return int(value) if value and value.isdecimal() else None


def _first(usage: dict[str, Json], *names: str) -> int | None:
    return next((n for name in names if (n := count(usage.get(name))) is not None), None)


def _written(details: Json, lifetime: str) -> int | None:
    found = [mapping(each) for each in items(details)]
    return total(*(count(each.get("inputTokens")) for each in found if each.get("ttl") == lifetime))
