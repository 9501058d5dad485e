"""`usageMetadata`: total = prompt + candidates + thoughts + tool prompt; cached content is inside the prompt."""

from __future__ import annotations

from llmitm.calls import Json, ReportedUsage, Usage
from llmitm.providers.fields import count, filled, items, mapping, total

_MODALITIES = ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")
"""By number, for clients that ask for `enum-encoding=int`."""


def reported(usage: dict[str, Json]) -> ReportedUsage:
    """Return the provider's own five numbers."""
    return ReportedUsage(
        input=count(usage.get("promptTokenCount")),
        output=count(usage.get("candidatesTokenCount", usage.get("responseTokenCount"))),
        cached_input=count(usage.get("cachedContentTokenCount")),
        reasoning=count(usage.get("thoughtsTokenCount")),
    )


def read(usage: dict[str, Json]) -> Usage:
    """Return a usage object in the one form."""
    own = reported(usage)
    given = total(own.input, count(usage.get("toolUsePromptTokenCount")))
    made = total(own.output, own.reasoning)
    if given is None and made is None:
        return Usage()
    prompt = _by_modality(usage.get("promptTokensDetails") or usage.get("promptTokenDetails"))
    tools = _by_modality(usage.get("toolUsePromptTokensDetails"))
    output = _by_modality(
        usage.get("candidatesTokensDetails") or usage.get("responseTokensDetails")
    )
    cached = _by_modality(usage.get("cacheTokensDetails"))
    return Usage(
        source="reported",
        input_tokens=given,
        output_tokens=made if made is not None or own.input is None else _nothing_made(usage),
        cached_input_tokens=own.cached_input,
        reasoning_tokens=own.reasoning,
        input_audio_tokens=total(prompt.get("AUDIO"), tools.get("AUDIO")),
        input_image_tokens=total(prompt.get("IMAGE"), tools.get("IMAGE")),
        input_video_tokens=total(prompt.get("VIDEO"), tools.get("VIDEO")),
        cached_audio_tokens=cached.get("AUDIO"),
        output_audio_tokens=output.get("AUDIO"),
        output_image_tokens=output.get("IMAGE"),
        output_video_tokens=output.get("VIDEO"),
    )


def _nothing_made(usage: dict[str, Json]) -> int | None:
    """Return 0 where the total says that nothing was generated: a blocked prompt has no candidates."""
    everything = count(usage.get("totalTokenCount"))
    known = total(count(usage.get("promptTokenCount")), count(usage.get("toolUsePromptTokenCount")))
    return 0 if everything is not None and everything == known else None


def _by_modality(details: Json) -> dict[str, int]:
    found: dict[str, int] = {}
    for detail in map(mapping, items(details)):
        kind, number = detail.get("modality"), count(detail.get("tokenCount"))
        if type(kind) is int and 0 <= kind < len(_MODALITIES):
            kind = _MODALITIES[kind]
        if (name := filled(kind)) and number is not None:
            found[name] = found.get(name, 0) + number
    return found
