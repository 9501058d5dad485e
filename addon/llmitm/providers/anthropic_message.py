"""What a message of Anthropic's says, put into an answer: wherever it is served, in whatever envelope it came.

The top-level usage leaves out the passes of a message that compaction or an advisor took; they are billed all the
same, so `Usage` has them and `ReportedUsage` has not.
https://platform.claude.com/docs/en/api/messages (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from llmitm.calls import Answer, Json, ModelUsage, ReportedUsage, ToolCall, Usage
from llmitm.providers import provider_cost
from llmitm.providers.base import Head
from llmitm.providers.fields import count, filled, items, mapping, total
from llmitm.wire.jsontext import compact

_CONTINUED = ("compaction", "advisor_message")
"""Passes of `usage.iterations` that the top level leaves out."""
_SERVER_TOOLS = {
    "web_search_requests": "web_search",
    "web_fetch_requests": "web_fetch",
    "code_execution_requests": "code_execution",
}


def read(answer: Answer, document: Json, head: Head) -> None:
    """Add a message's usage, text, thinking and tool calls to what an answer has already."""
    body = mapping(document)
    usage = mapping(body.get("usage"))
    answer.usage = read_usage(usage)
    if head.prompt.streaming and answer.finish_reason is None:
        # The stream broke off: `message_start` counts no more than the first of the output.
        answer.usage = replace(answer.usage, output_tokens=None)
    answer.by_model = _by_model(usage, answer.model)
    answer.reported = reported(usage)
    answer.service_tier = filled(usage.get("service_tier"))
    answer.inference_geo = filled(usage.get("inference_geo"))
    answer.speed = filled(usage.get("speed"))
    answer.provider_cost_usd = provider_cost.read(document, usage, head.endpoint.provider)
    if isinstance(body.get("content"), list):
        blocks = [mapping(block) for block in body["content"]]
        answer.text = _joined(block.get("text") for block in blocks if block.get("type") == "text")
        thinking = (b.get("thinking") for b in blocks if b.get("type") == "thinking")
        answer.reasoning = _joined(thinking) or None
        answer.tool_calls = tuple(_tool_calls(blocks))
        if answer.finish_reason == "refusal":
            answer.refusal = answer.text or "refusal"


def reported(usage: dict[str, Json]) -> ReportedUsage:
    """Return the provider's own five numbers."""
    details = mapping(usage.get("output_tokens_details"))
    return ReportedUsage(
        input=count(usage.get("input_tokens")),
        output=count(usage.get("output_tokens")),
        cached_input=count(usage.get("cache_read_input_tokens")),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        reasoning=count(details.get("thinking_tokens")),
    )


def read_usage(usage: dict[str, Json]) -> Usage:
    """Return a usage object in the one form; input is fresh, read and written tokens together."""
    return _sum([usage, *_passes_left_out(usage)])


def _by_model(usage: dict[str, Json], model: str | None) -> tuple[ModelUsage, ...]:
    """Return what each model used, where an advisor's passes name one of its own."""
    others: dict[str, list[dict[str, Json]]] = {}
    own = [usage]
    for each in _passes_left_out(usage):
        name = filled(each.get("model"))
        if name is None or name == model:
            own.append(each)
        else:
            others.setdefault(name, []).append(each)
    if not others or model is None:
        return ()
    parts = {model: own, **others}
    return tuple(ModelUsage(name, _sum(passes)) for name, passes in parts.items())


def _passes_left_out(usage: dict[str, Json]) -> list[dict[str, Json]]:
    passes = map(mapping, items(usage.get("iterations")))
    return [each for each in passes if each.get("type") in _CONTINUED]


def _sum(passes: list[dict[str, Json]]) -> Usage:
    own = [reported(each) for each in passes]
    if own[0].input is None and own[0].output is None:
        return Usage()
    writes = [mapping(each.get("cache_creation")) for each in passes]
    cached = total(*(each.cached_input for each in own))
    written = total(*(each.cache_write for each in own))
    return Usage(
        source="reported",
        input_tokens=total(*(each.input for each in own), cached, written),
        output_tokens=total(*(each.output for each in own)),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_5m_tokens=total(*(count(w.get("ephemeral_5m_input_tokens")) for w in writes)),
        cache_write_1h_tokens=total(*(count(w.get("ephemeral_1h_input_tokens")) for w in writes)),
        reasoning_tokens=total(*(each.reasoning for each in own)),
        other=_server_tools(mapping(passes[0].get("server_tool_use"))),
    )


def _server_tools(counts: dict[str, Json]) -> dict[str, int | float]:
    found = {unit: count(counts.get(name)) for name, unit in _SERVER_TOOLS.items()}
    return {unit: number for unit, number in found.items() if number is not None}


def _tool_calls(blocks: Iterable[dict[str, Json]]) -> Iterable[ToolCall]:
    for block in blocks:
        if block.get("type") == "tool_use" and (name := filled(block.get("name"))):
            arguments = block.get("input")
            written = arguments if isinstance(arguments, str) else compact(arguments)
            yield ToolCall(name, written, filled(block.get("id")))


def _joined(parts: Iterable[Json]) -> str:
    return "".join(part for part in parts if isinstance(part, str))
