"""Usage as Gemini reports it: thoughts and the prompts of tools are counted beside candidates and prompt.

total = prompt + tool prompt + candidates + thoughts; what was cached is inside the prompt.
"""

from __future__ import annotations

from dataclasses import replace

from llmitm.calls import Json, ReportedUsage, Usage
from llmitm.providers.fields import count, filled, items, mapping, total

_MODALITIES = ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")
"""By number, for clients that ask for `enum-encoding=int`."""
_GROUNDING = {
    "google_search": "web_search",
    "google_maps": "maps_grounding",
    "retrieval": "file_search",
}
"""Tools that are counted in an interaction, by the unit that is priced."""


def reported(usage: dict[str, Json]) -> ReportedUsage:
    """Return the provider's own five numbers out of `usageMetadata`."""
    return ReportedUsage(
        input=count(usage.get("promptTokenCount")),
        output=count(usage.get("candidatesTokenCount", usage.get("responseTokenCount"))),
        cached_input=count(usage.get("cachedContentTokenCount")),
        reasoning=count(usage.get("thoughtsTokenCount")),
    )


def read(usage: dict[str, Json]) -> Usage:
    """Return `usageMetadata` in the one form."""
    return _whole(
        reported(usage),
        tools=count(usage.get("toolUsePromptTokenCount")),
        everything=count(usage.get("totalTokenCount")),
        given=[
            *items(usage.get("promptTokensDetails") or usage.get("promptTokenDetails")),
            *items(usage.get("toolUsePromptTokensDetails")),
        ],
        cached=items(usage.get("cacheTokensDetails")),
        made=items(usage.get("candidatesTokensDetails") or usage.get("responseTokensDetails")),
    )


def with_grounding(usage: Usage, candidate: dict[str, Json]) -> Usage:
    """Return usage with what Google searched for the answer."""
    grounding = mapping(candidate.get("groundingMetadata"))
    searches = len([query for query in items(grounding.get("webSearchQueries")) if query])
    chunks = map(mapping, items(grounding.get("groundingChunks")))
    other: dict[str, int | float] = {"web_search": searches} if searches else {}
    if any("maps" in chunk for chunk in chunks):
        other["maps_grounding"] = 1
    return replace(usage, other=other) if other else usage


def reported_interaction(usage: dict[str, Json]) -> ReportedUsage:
    """Return the provider's own five numbers out of an interaction's `usage`."""
    return ReportedUsage(
        input=count(usage.get("total_input_tokens")),
        output=count(usage.get("total_output_tokens")),
        cached_input=count(usage.get("total_cached_tokens")),
        reasoning=count(usage.get("total_thought_tokens")),
    )


def read_interaction(usage: dict[str, Json]) -> Usage:
    """Return an interaction's `usage` in the one form."""
    found = _whole(
        reported_interaction(usage),
        tools=count(usage.get("total_tool_use_tokens")),
        everything=count(usage.get("total_tokens")),
        given=[
            *items(usage.get("input_tokens_by_modality")),
            *items(usage.get("tool_use_tokens_by_modality")),
        ],
        cached=items(usage.get("cached_tokens_by_modality")),
        made=items(usage.get("output_tokens_by_modality")),
    )
    other: dict[str, int | float] = {}
    for tool in map(mapping, items(usage.get("grounding_tool_count"))):
        unit, calls = _GROUNDING.get(str(tool.get("type"))), count(tool.get("count"))
        if unit and calls:
            other[unit] = other.get(unit, 0) + calls
    return replace(found, other=other) if other else found


def _whole(
    own: ReportedUsage,
    *,
    tools: int | None,
    everything: int | None,
    given: list[Json],
    cached: list[Json],
    made: list[Json],
) -> Usage:
    input_tokens, output_tokens = total(own.input, tools), total(own.output, own.reasoning)
    if input_tokens is None and output_tokens is None:
        return Usage()
    if output_tokens is None and everything == input_tokens:
        output_tokens = (
            0  # A blocked prompt has no candidates, and the total says that nothing came.
        )
    of_input, of_cached, of_output = map(_by_modality, (given, cached, made))
    return Usage(
        source="reported",
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=own.cached_input,
        reasoning_tokens=own.reasoning,
        input_audio_tokens=of_input.get("AUDIO"),
        input_image_tokens=of_input.get("IMAGE"),
        input_video_tokens=of_input.get("VIDEO"),
        cached_audio_tokens=of_cached.get("AUDIO"),
        output_audio_tokens=of_output.get("AUDIO"),
        output_image_tokens=of_output.get("IMAGE"),
        output_video_tokens=of_output.get("VIDEO"),
    )


def _by_modality(details: list[Json]) -> dict[str, int]:
    found: dict[str, int] = {}
    for detail in map(mapping, details):
        kind, number = detail.get("modality"), count(detail.get("tokenCount", detail.get("tokens")))
        if type(kind) is int and 0 <= kind < len(_MODALITIES):
            kind = _MODALITIES[kind]
        if (name := filled(kind)) and number is not None:
            found[name.upper()] = found.get(name.upper(), 0) + number
    return found
