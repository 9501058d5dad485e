"""What is charged beside the tokens that a usage tells: pictures, seconds, characters, searches.

Images, speech, videos and reranks mostly report no usage: the request carries the quantity, and what the price
depends on (quality, size, resolution).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, isfinite

from llmitm.basis import Quantity
from llmitm.calls import Answer, Endpoint, Exchange, Json, Prompt
from llmitm.providers.fields import mapping

_ATTRIBUTES = ("quality", "size", "resolution", "search_context_size")
_DOCUMENTS_A_SEARCH = 100
"""Cohere, and those who sell its models, count a rerank of up to 100 documents as one search."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Quantities by their unit in the price table, and the attributes that a price may depend on."""

    quantities: Mapping[str, Quantity]
    attributes: Mapping[str, str]


def measure(endpoint: Endpoint, exchange: Exchange, prompt: Prompt, answer: Answer) -> Measures:
    """Return what a call is charged for that its usage does not tell."""
    asked, answered = mapping(prompt.document), mapping(answer.document)
    # Google's `:predict` has its options in a field of their own.
    options = {**asked, **mapping(asked.get("parameters"))}
    attributes = _words({**answered, **options, **mapping(options.get("web_search_options"))})
    quantities: dict[str, Quantity] = {"request": 1}
    match endpoint.operation:
        case "image":
            quantities["image"] = _images(options, answered)
        case "speech":
            text = options.get("input") or options.get("text")
            if isinstance(text, str):
                quantities["character"] = len(text)
        case "transcription":
            if (seconds := _number(answered.get("duration"))) is not None:
                quantities["audio_second"] = seconds
        case "video":
            # A request may leave the length to the provider; the job that it answers with then names it.
            if (seconds := _video_seconds({**answered, **options})) is not None:
                quantities["video_second"] = seconds
        case "rerank":
            documents = options.get("documents") or options.get("sources")
            count = len(documents) if isinstance(documents, list) else 1
            quantities["search_unit"] = max(1, ceil(count / _DOCUMENTS_A_SEARCH))
        case _:
            pass
    return Measures(quantities, attributes)


def _words(options: Mapping[str, Json]) -> dict[str, str]:
    """Return the attributes as words. What is left to the provider (`auto`) is as if it were not there."""
    words = {name: options.get(name) for name in _ATTRIBUTES}
    return {name: word for name, word in words.items() if isinstance(word, str) and word != "auto"}


def _images(options: Mapping[str, Json], answered: Mapping[str, Json]) -> Quantity:
    for made in (answered.get("data"), answered.get("predictions"), answered.get("images")):
        if isinstance(made, list) and made:
            return len(made)
    return _first_number((options.get("n"), options.get("sampleCount"))) or 1


def _video_seconds(options: Mapping[str, Json]) -> Quantity | None:
    """Return the seconds of all videos, None where nothing tells them."""
    seconds = _first_number(
        options.get(name) for name in ("seconds", "durationSeconds", "duration_seconds", "duration")
    )
    if seconds is None:
        return None
    return seconds * (_first_number((options.get("sampleCount"), options.get("n"))) or 1)


def _first_number(values: Iterable[Json]) -> Quantity | None:
    return next((number for value in values if (number := _number(value)) is not None), None)


def _number(value: Json) -> Quantity | None:
    """Return a number, also where a form or a provider has written it as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return number if number is None or isfinite(number) else None
