"""Recorded traffic of real providers, beside the checkout, and what our reading of it differs in.

Run as a program it prints the table of docs/accuracy.md.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from llmitm.calls import Exchange, Finished, Json
from llmitm.exchanges import Fault, read
from llmitm.providers import hosts
from llmitm.providers.hosts import HostTable, ProviderEntry
from llmitm.reading import Reader
from llmitm_pricing import PriceTable

FOLDER = Path(__file__).parents[3] / "shared" / "recordings"
KNOWN = Path(__file__).with_name("differences.toml")

_LATER = frozenset({"sagemaker"})
"""Providers that are not read."""
_APART = ("bedrock_header_counts", "bedrock_invocation_metrics")
_COUNTS_APART = {
    "input_tokens": ("x-amzn-bedrock-input-token-count", "inputTokenCount"),
    "output_tokens": ("x-amzn-bedrock-output-token-count", "outputTokenCount"),
    "cached_input_tokens": (
        "x-amzn-bedrock-cache-read-input-token-count",
        "cacheReadInputTokenCount",
    ),
    "cache_write_tokens": (
        "x-amzn-bedrock-cache-write-input-token-count",
        "cacheWriteInputTokenCount",
    ),
}
_LATER_ENDPOINTS = frozenset({"realtime_ws"})


@dataclass(frozen=True)
class Recording:
    """An exchange, with the truth about it."""

    provider: str
    endpoint: str
    line: bytes
    truth: dict[str, Json]

    @property
    def id(self) -> str:
        """The id of the line."""
        return str(json.loads(self.line)["id"])

    def exchange(self) -> Exchange:
        """Return a fresh exchange."""
        (exchange,) = read([self.line], self.provider, 0.0)
        assert not isinstance(exchange, Fault), exchange.reason
        return exchange


class Difference(NamedTuple):
    """A field that we read otherwise than the truth says."""

    id: str
    field: str
    truth: Json
    ours: Json


def providers() -> list[str]:
    """Return the names of the files that are read so far; none where there are no recordings."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl") if path.stem not in _LATER)


def recordings(provider: str) -> Iterator[Recording]:
    """Return the recordings of a file, without the endpoints that are not read yet."""
    with (FOLDER / f"{provider}.jsonl").open("rb") as file:
        for line in file:
            fields = json.loads(line)
            if fields["endpoint"] not in _LATER_ENDPOINTS:
                yield Recording(provider, fields["endpoint"], line, _truth(fields))


def _truth(fields: dict[str, Json]) -> dict[str, Json]:
    """Return the truth about a line; what only Bedrock's headers and metrics count, it keeps apart."""
    extra = fields.get("expected_extra") or {}
    apart = [extra.get(name) or {} for name in _APART]
    truth = dict(fields["expected"])
    for field, names in _COUNTS_APART.items():
        if truth[field] is None:
            counts = (place.get(name) for place in apart for name in names)
            truth[field] = next((count for count in counts if count is not None), None)
    return truth


@cache
def reader(host: str, port: int) -> Reader:
    """Return the reader for a host; one that is not in the table is read by its paths."""
    table = hosts.load()
    if table.find(host, port) is None:
        families = ("anthropic", "gemini", "openai")
        table = HostTable([ProviderEntry(name="unknown", hosts=(host,), dialects=families)])
    return Reader(table, PriceTable.load(), keep_bodies=False)


def finished(exchange: Exchange) -> Finished:
    """Read an exchange as the proxy does."""
    return reader(exchange.host, exchange.port).read(exchange)


def ours(call: Finished) -> dict[str, Json]:
    """Return what we read, in the fields of the truth."""
    answer, reported = call.answer, call.answer.reported
    return {
        "model_requested": call.prompt.model or call.endpoint.model,
        "model_responded": answer.model,
        "input_tokens": reported.input,
        "output_tokens": reported.output,
        "cached_input_tokens": reported.cached_input,
        "cache_write_tokens": reported.cache_write,
        "reasoning_tokens": reported.reasoning,
        "streaming": call.streaming,
        "finish_reason": answer.finish_reason,
        "text_output": answer.text,
        "tool_calls": [tool.name for tool in answer.tool_calls] or None,
        "error_type": answer.error_type,
    }


def differences(recording: Recording) -> list[Difference]:
    """Return the fields that differ.

    No tool calls are no tool calls, as null, as an empty list or as calls of nothing (Snowflake). A reason that is
    written as a number (Google, where the client asks for it) is compared as text.
    """
    read, truth = ours(finished(recording.exchange())), dict(recording.truth)
    truth["tool_calls"] = [name for name in truth["tool_calls"] or [] if name] or None
    if isinstance(truth["finish_reason"], int):
        truth["finish_reason"] = str(truth["finish_reason"])
    return [
        Difference(recording.id, field, wanted, read[field])
        for field, wanted in truth.items()
        if read[field] != wanted
    ]


@cache
def known() -> Counter[tuple[str, str, str]]:
    """Return how many calls are known to differ, by provider, endpoint and field."""
    return Counter(
        {
            (entry["provider"], entry["endpoint"], field): entry["calls"]
            for entry in tomllib.loads(KNOWN.read_text("utf-8"))["difference"]
            for field in entry["fields"]
        }
    )


def table(files: Sequence[str]) -> list[str]:
    """Return the rows of docs/accuracy.md: one a provider, and the sum."""
    rows, sums = [], [0, 0, 0, 0]
    for provider in files:
        exchanges = list(recordings(provider))
        fields = sum(len(recording.truth) for recording in exchanges)
        differ = [each for recording in exchanges for each in differences(recording)]
        more = sum(each.truth is None for each in differ)
        counts = (len(exchanges), fields, fields - len(differ), more)
        rows.append(_row(provider, *counts))
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
    return [*rows, _row("**all**", *sums)]


def _row(name: str, exchanges: int, fields: int, equal: int, more: int) -> str:
    share = 100 * equal / (fields - more)
    return f"| {name} | {exchanges:,} | {fields:,} | {equal:,} | {more:,} | {share:.2f} % |"


if __name__ == "__main__":
    print("\n".join(table(providers())))
