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
from llmitm.providers.dialects import by_name
from llmitm.providers.hosts import HostTable, ProviderEntry
from llmitm.providers.sockets import SocketFrame
from llmitm.reading import Reader
from llmitm.sockets import SocketCalls
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
_SOCKET = "realtime_ws"
_FILLED_IN = "model=unknown"
"""What whoever made the recordings put into an address that was not recorded."""
_GEMINI_COUNTS = {
    "input_tokens": ("promptTokenCount",),
    "output_tokens": ("responseTokenCount", "candidatesTokenCount"),
    "cached_input_tokens": ("cachedContentTokenCount",),
    "reasoning_tokens": ("thoughtsTokenCount",),
}


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
    """Return the recordings of a file."""
    with (FOLDER / f"{provider}.jsonl").open("rb") as file:
        for line in file:
            fields = json.loads(line)
            truth = _truth_of_socket(fields) if fields["endpoint"] == _SOCKET else _truth(fields)
            yield Recording(provider, fields["endpoint"], line, truth)


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


def _truth_of_socket(fields: dict[str, Json]) -> dict[str, Json]:
    """Return the truth about a socket, with what it keeps apart: what was spoken, and Gemini's usage of each turn.

    Gemini's models are named without the path before them, as everywhere else.
    """
    extra, truth = fields.get("expected_extra") or {}, dict(fields["expected"])
    spoken = extra.get("output_transcript") or extra.get("output_transcription")
    truth["text_output"] = truth["text_output"] or spoken or ""
    if truth["model_requested"] is not None:
        truth["model_requested"] = truth["model_requested"].rpartition("models/")[2]
    for field, names in _GEMINI_COUNTS.items():
        usages = extra.get("usage_messages") or []
        counts = [usage[name] for usage in usages for name in names if name in usage]
        if counts:
            truth[field] = sum(counts)
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


def finished_socket(recording: Recording) -> list[Finished]:
    """Read the calls of a socket as the proxy does."""
    handshake = recording.exchange()
    handshake.path = handshake.path.replace(_FILLED_IN, "")
    read_by = reader(handshake.host, handshake.port)
    endpoint = read_by.read(handshake).endpoint
    assert endpoint.dialect is not None
    socket = by_name(endpoint.dialect).socket(endpoint, handshake.path)
    assert socket is not None
    calls, exchanges, number = SocketCalls(handshake, socket), [], 0
    for number, message in enumerate(json.loads(recording.line)["ws_messages"]):
        if "text" in message:
            sent, data = message["direction"] == "sent", message["text"].encode()
            exchanges += calls.feed(SocketFrame(sent, data, True, float(number)))
    exchanges += calls.close(float(number))
    return [read_by.read(exchange) for exchange in exchanges]


def ours_of_socket(calls: Sequence[Finished]) -> dict[str, Json]:
    """Return what we read of the answers of a socket, together."""
    each = [ours(call) for call in calls if call.endpoint.operation == "realtime"]
    together = dict(each[-1])
    for field in ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"):
        counts = [one[field] for one in each if one[field] is not None]
        together[field] = sum(counts) if counts else None
    together["text_output"] = "".join(one["text_output"] or "" for one in each)
    together["tool_calls"] = [name for one in each for name in one["tool_calls"] or []] or None
    return together


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
    if recording.endpoint == _SOCKET:
        read = ours_of_socket(finished_socket(recording))
    else:
        read = ours(finished(recording.exchange()))
    truth = dict(recording.truth)
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
