"""What was asked for and what was answered, each as one object; and the settings that a price may depend on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from llmitm.basis import Quantity
from llmitm.calls import Answer, Exchange, Json, Prompt
from llmitm.providers import fields
from llmitm.providers.fields import first, mapping, text

type Options = Mapping[str, Json]

STEPS = ("steps", "num_inference_steps")
_ATTRIBUTES: Mapping[str, Sequence[str]] = {
    "quality": ("quality",),
    "size": ("size",),
    "resolution": ("resolution", "resolution_target", "sampleImageSize", "imageSize"),
    "audio": ("generateAudio", "generate_audio", "with_audio"),
    "steps": STEPS,
    "duration": ("duration", "durationSeconds", "duration_seconds", "seconds"),
    "mode": ("mode", "motion_mode"),
    "variant": ("model_variant",),
    "language": ("language", "language_code"),
    "search_context_size": ("search_context_size",),
}
"""Attributes of the price table, by the names that providers give them."""
_LONGEST_WORD = 40


def asked(exchange: Exchange, prompt: Prompt, answer: Answer) -> dict[str, Json]:
    """Return what was asked for in one object: of the query, the body, and the objects that bodies have for it."""
    body = mapping(prompt.document)
    query = exchange.path.partition("?")[2]
    return {
        **mapping(mapping(answer.document).get("input")),  # Replicate repeats it
        **(dict(parse_qsl(query)) if query else {}),
        **body,
        **mapping(body.get("input")),  # Replicate, Google's speech
        **first(body.get("instances")),  # Google's `:predict`
        **mapping(body.get("parameters")),
        **mapping(body.get("imageGenerationConfig")),  # Amazon's Titan and Nova
        **mapping(body.get("web_search_options")),
    }


def answered(answer: Answer) -> dict[str, Json]:
    """Return what was answered in one object."""
    body = mapping(answer.document)
    return {
        "search_context_size": mapping(body.get("usage")).get("search_context_size"),  # Perplexity
        **mapping(body.get("metadata")),  # Deepgram
        **body,
        **mapping(body.get("metrics")),  # Replicate
        **mapping(body.get("extra_info")),  # MiniMax
        **mapping(mapping(body.get("result")).get("transcription_info")),  # Cloudflare
    }


def attributes(options: Options, made: Options) -> dict[str, str]:
    """Return the attributes as words; what was made goes before what was asked for."""
    return {
        attribute: word
        for attribute, names in _ATTRIBUTES.items()
        for source in (options, made)
        for name in names
        if name in source and (word := _word(source[name]))
    }


def _word(value: Json) -> str | None:
    """Return a setting as a word. What is left to the provider (`auto`) is as if it were not there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    word = str(value) if isinstance(value, int) else text(value)
    return word if word and word != "auto" and len(word) <= _LONGEST_WORD else None


def first_number(values: Iterable[Json]) -> Quantity | None:
    """Return the first value that is a number."""
    return next((found for value in values if (found := number(value)) is not None), None)


def number(value: Json) -> Quantity | None:
    """Return a number that is not negative, also where a form or a provider has written it as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return fields.number(float(value) if isinstance(value, str) else value)
    except ValueError:
        return None
