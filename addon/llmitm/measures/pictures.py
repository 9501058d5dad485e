"""Images and videos: how many, how large, how long."""

from __future__ import annotations

import re

from llmitm.basis import Quantity
from llmitm.calls import Endpoint, Json
from llmitm.measures.options import STEPS, Options, first_number, number
from llmitm.providers.fields import items, mapping, text

_COUNTS = (
    "n",
    "sampleCount",
    "sample_count",
    "num_images",
    "num_outputs",
    "samples",
    "n_variants",
    "numberOfImages",
    "numberOfVideos",
)
_LENGTHS = ("seconds", "durationSeconds", "duration_seconds", "n_seconds", "duration")
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
_SIZE = re.compile(r"(\d{1,5})\s*[x*]\s*(\d{1,5})")
_PRESETS = {
    "square_hd": "1024x1024",
    "square": "512x512",
    "portrait_4_3": "768x1024",
    "portrait_16_9": "576x1024",
    "landscape_4_3": "1024x768",
    "landscape_16_9": "1024x576",
}
"""fal's names of image sizes: https://fal.ai/models/fal-ai/flux/dev/api"""
_VEO_SECONDS = 8
"""What Google makes where the request does not say.
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation
"""


def images(options: Options, answered: Options) -> dict[str, Quantity]:
    """Count images, their pixels and the steps to them, where the sizes and steps are known."""
    made = next((found for name in _MADE if (found := _made(answered.get(name)))), [])
    count = len(made) or first_number(options.get(name) for name in _COUNTS) or 1
    quantities: dict[str, Quantity] = {"image": count, **_shown(options)}
    sizes = [dimensions(mapping(image)) for image in made]
    known = [width * height for width, height in filter(None, sizes)]
    asked = dimensions(answered) or dimensions(options)
    if known and len(known) == len(made):
        quantities["pixel"] = sum(known)
    elif asked:
        quantities["pixel"] = asked[0] * asked[1] * count
    steps = first_number(options.get(name) for name in STEPS)
    if steps is not None:
        quantities["step"] = steps * count
    return quantities


def _made(value: Json) -> list[Json]:
    """Return what was made, one or many, without Imagen's reasons why something was not."""
    made = [value] if isinstance(value, dict) else items(value)
    return [each for each in made if "raiFilteredReason" not in mapping(each)]


def dimensions(options: Options) -> tuple[int, int] | None:
    """Return width and height, from whichever of the ways to write them."""
    nested = options.get("image_size")  # fal
    if isinstance(nested, dict):
        return dimensions(nested)
    width, height = number(options.get("width")), number(options.get("height"))
    if width and height:
        return int(width), int(height)
    for written in (options.get("size"), nested):
        word = text(written) or ""
        if match := _SIZE.fullmatch(_PRESETS.get(word, word)):
            return int(match[1]), int(match[2])
    return None


def _shown(options: Options) -> dict[str, Quantity]:
    """Count the images that were sent along."""
    sent = [options.get(name) for name in _SHOWN]
    count = sum(len(each) if isinstance(each, list) else 1 for each in sent if each)
    return {"input_image": count} if count else {}


def videos(options: Options, answered: Options, endpoint: Endpoint) -> dict[str, Quantity]:
    """Count videos, and the seconds of all of them where something tells how long they are."""
    count = first_number(options.get(name) for name in _COUNTS) or 1
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
    return number(value.removesuffix("s") if isinstance(value, str) else value)
