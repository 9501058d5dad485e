"""What is charged beside the tokens that a usage tells: pictures, seconds, characters, searches.

Images, speech, videos and reranks mostly report no usage: the request carries the quantity, and what the price
depends on (quality, size, resolution). Units and attributes are those of the price library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from urllib.parse import parse_qsl

from llmitm.calls import Answer, Endpoint, Exchange, Json, Prompt, header
from llmitm.providers.fields import filled, first, flag, items, mapping, text
from llmitm.wire import media, multipart
from llmitm.wire.encodings import decode

_ATTRIBUTES: Mapping[str, Sequence[str]] = {
    "quality": ("quality",),
    "size": ("size",),
    "resolution": ("resolution", "resolution_target", "sampleImageSize", "imageSize"),
    "audio": ("generateAudio", "generate_audio", "with_audio"),
    "steps": ("steps", "num_inference_steps"),
    "duration": ("duration", "durationSeconds", "duration_seconds", "seconds"),
    "mode": ("mode", "motion_mode"),
    "variant": ("model_variant",),
    "search_context_size": ("search_context_size",),
}
"""Attributes of the price table, by the names that providers give them."""
_LONGEST_WORD = 40
_COUNTS = (
    "n",
    "sampleCount",
    "sample_count",
    "num_images",
    "num_outputs",
    "samples",
    "n_variants",
    "numberOfVideos",
)
_LENGTHS = ("seconds", "durationSeconds", "duration_seconds", "n_seconds", "duration")
_AUDIO_LENGTHS = ("duration", "audio_duration", "audio_duration_secs", "audio_duration_seconds")
_MADE = ("data", "predictions", "images", "image", "artifacts", "output")
_SHOWN = (
    "image",
    "images",
    "image[]",
    "image_url",
    "image_urls",
    "input_image",
    "input_images",
    "image_input",
    "input_reference",
    "referenceImages",
    "reference_images",
    "lastFrame",
)
_SPOKEN = ("input", "text", "ssml", "markup", "prompt")
_SIZE = re.compile(r"(\d{1,5})\s*[x*]\s*(\d{1,5})")
_PRESETS = {
    "square_hd": "1024x1024",
    "square": "512x512",
    "portrait_4_3": "768x1024",
    "portrait_16_9": "576x1024",
    "landscape_4_3": "1024x768",
    "landscape_16_9": "1024x576",
}
"""fal's names of image sizes: https://fal.ai/models/fal-ai/flux/dev/api (read 2026-11-26)"""
_VEO_SECONDS = 8
"""https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation (read 2026-11-26)"""
_DOCUMENTS_A_SEARCH = 100
_TOKENS_A_DOCUMENT = 500
_MOST_TOKENS_A_DOCUMENT = 4096
"""What Cohere reads of a document where `max_tokens_per_doc` does not say otherwise."""
_BYTES_A_TOKEN = 4

type Quantity = int | float
type _Options = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Measures:
    """Quantities by their unit in the price table, and the attributes that a price may depend on."""

    quantities: Mapping[str, Quantity]
    attributes: Mapping[str, str]


def measure(endpoint: Endpoint, exchange: Exchange, prompt: Prompt, answer: Answer) -> Measures:
    """Return what a call is charged for that its usage does not tell."""
    options, answered = _options(exchange, prompt, answer), _answered(answer)
    quantities: dict[str, Quantity] = {"request": 1}
    match endpoint.operation:
        case "image":
            quantities |= _images(options, answered)
        case "speech":
            quantities |= _speech(options, exchange)
        case "transcription":
            quantities |= _transcription(options, answered, exchange, answer)
        case "video":
            quantities |= _videos(options, answered, endpoint)
        case "rerank":
            quantities["search_unit"] = _searches(options)
        case "embedding":
            # Vertex AI's older models are charged by the character.
            if (count := _number(answered.get("billableCharacterCount"))) is not None:
                quantities["character"] = count
        case _:
            pass
    for unit, name in (("credit", "character-cost"), ("billable_unit", "x-fal-billable-units")):
        # ElevenLabs and fal say themselves what they charge for, in units of their own.
        if (count := _number(header(exchange.response_headers, name))) is not None:
            quantities[unit] = count
    return Measures(quantities, _attributes(options, answered))


def _options(exchange: Exchange, prompt: Prompt, answer: Answer) -> dict[str, Json]:
    """Return what was asked for in one object: of the query, the body, and the objects that bodies have for it."""
    asked = mapping(prompt.document)
    query = exchange.path.partition("?")[2]
    return {
        **mapping(mapping(answer.document).get("input")),  # Replicate repeats it
        **(dict(parse_qsl(query)) if query else {}),
        **asked,
        **mapping(asked.get("input")),  # Replicate, Google's speech
        **first(asked.get("instances")),  # Google's `:predict`
        **mapping(asked.get("parameters")),
        **mapping(asked.get("web_search_options")),
    }


def _answered(answer: Answer) -> dict[str, Json]:
    body = mapping(answer.document)
    return {
        **mapping(body.get("metadata")),  # Deepgram
        **body,
        **mapping(body.get("metrics")),  # Replicate
        **mapping(mapping(body.get("result")).get("transcription_info")),  # Cloudflare
    }


def _attributes(options: _Options, answered: _Options) -> dict[str, str]:
    """Return the attributes as words; what was made goes before what was asked for."""
    found = {
        attribute: word
        for attribute, names in _ATTRIBUTES.items()
        for source in (options, answered)
        for name in names
        if (word := _word(source.get(name)))
    }
    if "size" not in found and (size := _dimensions(options)):
        found["size"] = f"{size[0]}x{size[1]}"
    return found


def _word(value: Json) -> str | None:
    """Return a setting as a word. What is left to the provider (`auto`) is as if it were not there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    word = (
        f"{value:g}"
        if isinstance(value, float)
        else str(value)
        if isinstance(value, int)
        else text(value)
    )
    return word if word and word != "auto" and len(word) <= _LONGEST_WORD else None


def _images(options: _Options, answered: _Options) -> dict[str, Quantity]:
    """Count images, their pixels and the steps to them, where the sizes and steps are known."""
    made = next((found for name in _MADE if (found := _made(answered.get(name)))), [])
    count = len(made) or _first_number(options.get(name) for name in _COUNTS) or 1
    quantities: dict[str, Quantity] = {"image": count, **_shown(options)}
    sizes = [_dimensions(mapping(image)) for image in made]
    known = [width * height for width, height in filter(None, sizes)]
    asked = _dimensions(answered) or _dimensions(options)
    if known and len(known) == len(made):
        quantities["pixel"] = sum(known)
    elif asked:
        quantities["pixel"] = asked[0] * asked[1] * count
    steps = _first_number(options.get(name) for name in _ATTRIBUTES["steps"])
    if steps is not None:
        quantities["step"] = steps * count
    return quantities


def _made(value: Json) -> list[Json]:
    """Return what was made, one or many, without Imagen's reasons why something was not."""
    made = [value] if isinstance(value, dict) else items(value)
    return [each for each in made if "raiFilteredReason" not in mapping(each)]


def _dimensions(options: _Options) -> tuple[int, int] | None:
    """Return width and height, from whichever of the ways to write them."""
    nested = options.get("image_size")  # fal
    if isinstance(nested, dict):
        return _dimensions(nested)
    width, height = _number(options.get("width")), _number(options.get("height"))
    if width and height:
        return int(width), int(height)
    for written in (options.get("size"), nested):
        word = text(written) or ""
        if match := _SIZE.fullmatch(_PRESETS.get(word, word)):
            return int(match[1]), int(match[2])
    return None


def _shown(options: _Options) -> dict[str, Quantity]:
    """Count the images that were sent along."""
    sent = [options.get(name) for name in _SHOWN]
    count = sum(len(each) if isinstance(each, list) else 1 for each in sent if each)
    return {"input_image": count} if count else {}


def _speech(options: _Options, exchange: Exchange) -> dict[str, Quantity]:
    """Count the characters that were spoken, and the seconds of sound that were asked for."""
    quantities: dict[str, Quantity] = {}
    counted = _number(header(exchange.response_headers, "dg-char-count"))  # Deepgram
    if counted is None:
        counted = _characters(options)
    if counted is not None:
        quantities["character"] = counted
    elif (seconds := _recorded(exchange)) is not None:
        quantities["audio_second"] = seconds  # another voice for a recording
    length = _number(options.get("duration_seconds"))
    thousandths = _number(options.get("music_length_ms"))
    if length is not None:
        quantities["output_audio_second"] = length
    elif thousandths is not None:
        quantities["output_audio_second"] = thousandths / 1000
    return quantities


def _characters(options: _Options) -> int | None:
    turns = [filled(mapping(turn).get("text")) for turn in items(options.get("inputs"))]
    words = [text for text in turns if text]  # a dialogue
    if not words:
        words = [text for name in _SPOKEN if (text := filled(options.get(name)))][:1]
    return sum(map(len, words)) if words else None


def _transcription(
    options: _Options, answered: _Options, exchange: Exchange, answer: Answer
) -> dict[str, Quantity]:
    """Return how long a recording is: as the answer says, else as its bytes do."""
    seconds = _first_number(answered.get(name) for name in _AUDIO_LENGTHS)
    # A usage in tokens or seconds is what the call is charged by.
    if seconds is None and answer.usage.source == "none":
        seconds = _recorded(exchange)
    if seconds is None:
        return {}
    if flag(options.get("multichannel")) and "channels" in answered:
        # Deepgram charges for each channel: https://github.com/orgs/deepgram/discussions/932 (read 2026-11-26)
        seconds *= _number(answered.get("channels")) or 1
    return {"audio_second": seconds}


def _recorded(exchange: Exchange) -> float | None:
    """Return the length of the recording that a request is or has in its form."""
    if exchange.request_truncated:
        return None
    kind = (header(exchange.request_headers, "content-type") or "").lower()
    if "multipart/form-data" in kind:
        whole = header(exchange.request_headers, "content-type") or ""
        lengths = map(media.seconds, multipart.files(exchange.request_body, whole))
        return next(filter(None, lengths), None)
    if "json" in kind:
        return None
    return media.seconds(
        decode(exchange.request_body, header(exchange.request_headers, "content-encoding"))
    )


def _videos(options: _Options, answered: _Options, endpoint: Endpoint) -> dict[str, Quantity]:
    count = _first_number(options.get(name) for name in _COUNTS) or 1
    quantities: dict[str, Quantity] = {"video": count, **_shown(options)}
    # A request may leave the length to the provider; the job that it answers with then names it.
    told = (_seconds(source.get(name)) for source in (options, answered) for name in _LENGTHS)
    seconds = next((length for length in told if length is not None), None)
    if seconds is None and endpoint.dialect == "gemini_resources":
        seconds = _VEO_SECONDS
    if seconds is not None:
        quantities["video_second"] = seconds * count
    return quantities


def _seconds(value: Json) -> Quantity | None:
    """Return a length, which some write as "8s"."""
    return _number(value.removesuffix("s") if isinstance(value, str) else value)


def _searches(options: _Options) -> int:
    """Count searches as Cohere does, and those who sell its models.

    One is a query with up to 100 documents. A document that is longer than 500 tokens with the query is cut into
    several, each of which counts. Tokens are reckoned by their bytes: only a provider that does not report its
    searches comes here. https://cohere.com/pricing (read 2026-11-26)
    """
    documents = items(options.get("documents") or options.get("sources"))
    room = max(1, _TOKENS_A_DOCUMENT - _tokens(options.get("query")))
    most = _number(options.get("max_tokens_per_doc")) or _MOST_TOKENS_A_DOCUMENT
    cut = sum(max(1, ceil(min(_tokens(document), most) / room)) for document in documents)
    return max(1, ceil(cut / _DOCUMENTS_A_SEARCH))


def _tokens(value: Json) -> int:
    if isinstance(value, dict):
        return sum(map(_tokens, value.values()))
    written = text(value) or ""
    return ceil(len(written.encode("utf-8", "surrogatepass")) / _BYTES_A_TOKEN)


def _first_number(values: Iterable[Json]) -> Quantity | None:
    return next((number for value in values if (number := _number(value)) is not None), None)


def _number(value: Json) -> Quantity | None:
    """Return a number that is not negative, also where a form or a provider has written it as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value) if isinstance(value, str) else value
        return number if isfinite(number) and number >= 0 else None
    except (ValueError, OverflowError):
        return None
