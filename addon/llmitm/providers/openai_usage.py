"""Usage as OpenAI's chat and Responses formats report it, and as some thirty hosts vary them.

`ReportedUsage` repeats the provider's numbers; `Usage` has them in the one form in which a part is never outside
its whole. Where a host counts something outside, its own total tells.
"""

from __future__ import annotations

from typing import NamedTuple

from llmitm.calls import Json, ReportedUsage, Usage
from llmitm.providers.fields import count, mapping, number

_CACHED = (
    "prompt_cache_hit_tokens",
    "num_cached_tokens",
    "cached_tokens",
    "cache_read_input_tokens",
)
_NOTHING = (Usage(), ReportedUsage())
_SERVER_TOOLS = {
    "web_search_calls": "web_search",
    "web_search_requests": "web_search",
    "x_search_calls": "x_search",
    "code_interpreter_calls": "code_execution",
    "file_search_calls": "file_search",
    "document_search_calls": "file_search",
}
"""xAI's `server_side_tool_usage_details` and OpenRouter's `server_tool_use_details`, by the unit that is priced."""


class _Counts(NamedTuple):
    """A usage object under one set of names."""

    usage: dict[str, Json]
    inputs: dict[str, Json]
    outputs: dict[str, Json]

    def first(self, *names: str) -> int | None:
        """Return the first count there is."""
        return next((n for name in names if (n := count(self.usage.get(name))) is not None), None)


def read(usage: Json) -> tuple[Usage, ReportedUsage]:
    """Return a usage object in the one form and as reported; source "none" where it holds no count."""
    if not isinstance(usage, dict) or not usage:
        return _NOTHING
    counts = _counts(usage)
    own = _reported(counts)
    input_tokens, output_tokens, reasoning = _whole(counts, own)
    units = _units(usage)
    if input_tokens is None and output_tokens is None and not units:
        return Usage(), own
    inputs, outputs = counts.inputs, counts.outputs
    writes = mapping(usage.get("cache_creation"))
    whole = Usage(
        source="reported",
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=_within(own.cached_input, input_tokens),
        cache_write_tokens=_within(own.cache_write, input_tokens),
        cache_write_5m_tokens=count(writes.get("ephemeral_5m_input_tokens")),
        cache_write_1h_tokens=count(writes.get("ephemeral_1h_input_tokens")),
        reasoning_tokens=reasoning,
        input_audio_tokens=count(inputs.get("audio_tokens")),
        input_image_tokens=count(inputs.get("image_tokens")),
        input_video_tokens=count(inputs.get("video_tokens")),
        cached_audio_tokens=count(mapping(inputs.get("cached_tokens_details")).get("audio_tokens")),
        output_audio_tokens=count(outputs.get("audio_tokens")),
        output_image_tokens=count(outputs.get("image_tokens")),
        output_video_tokens=count(outputs.get("video_tokens")),
        other=units,
    )
    return whole, own


def _counts(usage: Json) -> _Counts:
    body = mapping(usage)
    return _Counts(
        body,
        mapping(
            body.get("prompt_tokens_details")
            or body.get("input_tokens_details")
            or body.get("input_token_details")  # realtime, transcriptions
            or body.get("prompt_token_details")  # Writer
        ),
        mapping(
            body.get("completion_tokens_details")
            or body.get("output_tokens_details")
            or body.get("output_token_details")
        ),
    )


def _reported(counts: _Counts) -> ReportedUsage:
    cached = count(counts.inputs.get("cached_tokens"))
    written = count(counts.inputs.get("cache_write_tokens"))
    reasoning = count(counts.outputs.get("reasoning_tokens"))
    return ReportedUsage(
        counts.first("prompt_tokens", "input_tokens"),
        counts.first("completion_tokens", "output_tokens"),
        counts.first(*_CACHED) if cached is None else cached,
        counts.first("cache_creation_input_tokens") if written is None else written,
        counts.first("reasoning_tokens") if reasoning is None else reasoning,
    )


def _whole(counts: _Counts, own: ReportedUsage) -> tuple[int | None, int | None, int | None]:
    """Return the whole input, the whole output and the reasoning in it.

    What the total has beyond input and output was left out of one of them: reasoning at xAI, audio at
    Mistral, thinking that is not named at all in Gemini's compatible endpoint.
    """
    given, made, reasoning = own.input, own.output, own.reasoning
    everything = counts.first("total_tokens")
    if given is None and made is None:
        # Embeddings and moderations of some hosts report the total alone, and it is all input.
        return everything, None, None
    if given is not None and made is not None and everything is not None:
        beyond = everything - given - made
        if beyond > 0 and beyond == counts.inputs.get("audio_tokens"):
            given += beyond
        elif beyond > 0 and reasoning in (None, 0, beyond) and "completion_tokens" in counts.usage:
            made, reasoning = made + beyond, beyond
    if reasoning is not None and made is not None and reasoning > made:
        # Perplexity's deep research has it neither in the output nor in the total.
        made += reasoning
    return given, made, reasoning


def _within(part: int | None, whole: int | None) -> int | None:
    # Grok on Azure counts a hidden system prompt as cached and not as prompt: 163 of 7.
    return part if part is None or whole is None else min(part, whole)


def _units(usage: dict[str, Json]) -> dict[str, int | float]:
    """Return what is counted beside tokens."""
    units: dict[str, int | float] = {}
    for unit, name in (
        ("audio_second", "seconds"),  # transcriptions that are charged by the second
        ("audio_second", "prompt_audio_seconds"),  # Mistral
        ("web_search", "num_search_queries"),  # Perplexity's deep research
        ("citation", "citation_tokens"),
        ("search_unit", "search_units"),
        ("page", "pages_processed"),
        ("annotated_page", "pages_processed_annotation"),
    ):
        found = number(usage.get(name))
        if found is not None:
            units[unit] = found
    for tools in ("server_side_tool_usage_details", "server_tool_use_details", "server_tool_use"):
        for name, calls in mapping(usage.get(tools)).items():
            found, known = count(calls), _SERVER_TOOLS.get(name)
            if found is not None and known:
                units[known] = units.get(known, 0) + found
    return units
