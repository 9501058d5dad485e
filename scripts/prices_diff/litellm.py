"""litellm: its map of model prices as quotes. The structure is in the names of its keys and fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from llmitm_pricing.units import TOKEN_UNITS
from prices_diff.quotes import Facts, Quote, per

PROVIDERS = {
    "amazon_nova": ("amazon_nova", "amazon-nova/"),
    "azure": ("azure", "azure/"),
    "azure_ai": ("azure", "azure_ai/"),
    "azure_text": ("azure", "azure/"),
    "bedrock": ("bedrock", "bedrock/"),
    "bedrock_converse": ("bedrock", "bedrock/"),
    "bedrock_mantle": ("bedrock", "bedrock_mantle/"),
    "bigmodel": ("zhipuai", "bigmodel/"),
    "chatgpt": ("chatgpt_codex", "chatgpt/"),
    "codestral": ("mistral", "codestral/"),
    "cohere_chat": ("cohere", ""),
    "dashscope": ("alibaba", "dashscope/"),
    "fal_ai": ("fal", "fal_ai/"),
    "featherless_ai": ("featherless", "featherless_ai/"),
    "fireworks_ai": ("fireworks", "fireworks_ai/"),
    "fireworks_ai-embedding-models": ("fireworks", "fireworks_ai/"),
    "friendliai": ("friendli", "friendliai/"),
    "jina_ai": ("jina", ""),
    "lambda_ai": ("lambda", "lambda_ai/"),
    "nvidia_nim": ("nvidia", "nvidia_nim/"),
    "text-completion-codestral": ("mistral", "text-completion-codestral/"),
    "text-completion-inception": ("inception", "text-completion-inception/"),
    "text-completion-openai": ("openai", ""),
    "together_ai": ("together", "together_ai/"),
    "vercel_ai_gateway": ("vercel", "vercel_ai_gateway/"),
    "xiaomi_mimo": ("xiaomi", "xiaomi_mimo/"),
}
"""Our provider, and what its keys begin with, where that is not the provider's name."""

_TOKENS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_creation_input_token_cost_above_12hr": "cache_write_12h",
    "input_cost_per_audio_token": "audio_input",
    "cache_read_input_audio_token_cost": "audio_cached_input",
    "output_cost_per_audio_token": "audio_output",
    "input_cost_per_image_token": "image_input",
    "cache_read_input_image_token_cost": "image_cached_input",
    "output_cost_per_image_token": "image_output",
    "input_cost_per_video_token": "video_input",
    "output_cost_per_video_token": "video_output",
    "output_cost_per_reasoning_token": "reasoning",
    "citation_cost_per_token": "citation",
    "input_cost_per_character": "character",
    "input_cost_per_query": "search_unit",
    "input_cost_per_request": "request",
    "ocr_cost_per_page": "page",
    "annotation_cost_per_page": "annotated_page",
    "output_cost_per_pixel": "pixel",
}
_BY_MODE: Mapping[tuple[str, str], str] = {
    ("image_generation", "output_cost_per_image"): "image",
    ("image_edit", "output_cost_per_image"): "image",
    ("image_generation", "input_cost_per_image"): "image",
    ("image_edit", "input_cost_per_image"): "image",
    ("image_generation", "input_cost_per_pixel"): "pixel",
    ("audio_transcription", "input_cost_per_second"): "audio_second",
    ("audio_transcription", "output_cost_per_second"): "audio_second",
    ("audio_speech", "output_cost_per_second"): "output_audio_second",
    ("video_generation", "output_cost_per_second"): "video_second",
    ("video_generation", "output_cost_per_video_per_second"): "video_second",
    ("realtime", "input_cost_per_second"): "audio_second",
    ("embedding", "input_cost_per_image"): "input_image",
}
_ATTRIBUTES = ("quality", "size", "steps", "region")
_TIERS = {"batches": "batch"}
_TIER = re.compile(r"_(batches|flex|priority|ultrafast|balanced|decisions)$")
_LONG = re.compile(r"_above_(\d+)k_tokens")
_RESOLUTION = re.compile(r"_(480p|720p|768p|1080p|2k|4k)$")
_REGION = re.compile(r"(?P<region>[a-z]{2}(?:-gov|-iso)?-[a-z]+-\d)/(?=[^/]+$)")
_ZONE = re.compile(r"(?P<region>eu|us|uk|global|global-standard|standard(?=/\D)|us-gov|regional)/")
_PICTURE = re.compile(
    r"(?:(?P<quality>standard|hd|low|medium|high|xhigh|max)/)?"
    r"(?:(?P<size>\d+-x-\d+)/)?(?:(?P<steps>\d+|max)-steps/)?"
)
"""What stands before the name of a model that makes pictures; each of it may be absent."""


class Entry(NamedTuple):
    """A key of the map, taken apart."""

    provider: str
    model: str
    facts: Facts


def entry(key: str, row: Mapping[str, Any]) -> Entry | None:
    """Return what a key names; None where it is no model of a provider."""
    theirs = row.get("litellm_provider")
    if not theirs or key == "sample_spec" or "-commitment/" in key:
        return None  # provisioned throughput is charged by the hour
    if theirs.startswith("vertex_ai"):
        provider, prefix = "vertex", "vertex_ai/"
    else:
        provider, prefix = PROVIDERS.get(theirs, (theirs, f"{theirs}/"))
    told: dict[str, str] = {}
    name, before = key, ""
    while name != before:  # the provider, its zone and the picture stand in any order
        before = name
        if prefix and name.startswith(prefix):
            name, prefix = name.removeprefix(prefix), ""
        if provider == "azure" and (zone := _ZONE.match(name)):
            told["region"], name = zone["region"], name[zone.end() :]
        picture = _PICTURE.match(name)
        assert picture is not None
        told |= {fact: value for fact, value in picture.groupdict().items() if value}
        name = name[picture.end() :]
    facts = Facts()
    if provider == "bedrock" and (place := _REGION.match(name)):
        facts = Facts(host=f"bedrock-runtime.{place['region']}.amazonaws.com")
        name = name[place.end() :]
    told["size"] = told.get("size", "").replace("-x-", "x")
    attributes = tuple((fact, told[fact]) for fact in _ATTRIBUTES if told.get(fact))
    return Entry(provider, name, facts._replace(attributes=attributes))


def quotes(table: Mapping[str, Mapping[str, Any]]) -> Iterator[Quote]:
    """Return the prices of the map."""
    for key, row in table.items():
        if found := entry(key, row):
            for field, value in row.items():
                if isinstance(value, Decimal | int) and not isinstance(value, bool):
                    yield from _quote(found, field, Decimal(value), row)
            yield from _steps(found, row)


def _quote(found: Entry, field: str, usd: Decimal, row: Mapping[str, Any]) -> Iterator[Quote]:
    facts, rest = found.facts, field
    if tier := _TIER.search(rest):
        facts, rest = facts._replace(tier=_TIERS.get(tier[1], tier[1])), rest[: tier.start()]
    if long := _LONG.search(rest):
        # "xAI: 200k or more", everybody else: more than.
        least = int(long[1]) * 1000 + (found.provider != "xai")
        facts, rest = facts._replace(prompt=least), rest[: long.start()] + rest[long.end() :]
    if resolution := _RESOLUTION.search(rest):
        facts = facts._replace(attributes=(*facts.attributes, ("resolution", resolution[1])))
        rest = rest[: resolution.start()]
    unit = _TOKENS.get(rest) or _BY_MODE.get((str(row.get("mode")), rest))
    # A zero beside tokens says no more than that the row goes by something else.
    if unit is not None and (usd or unit in TOKEN_UNITS):
        yield Quote("litellm", found.provider, found.model, unit, usd * per(unit), facts)


def _steps(found: Entry, row: Mapping[str, Any]) -> Iterator[Quote]:
    """Return `tiered_pricing`: prices by ranges of the prompt."""
    for step in row.get("tiered_pricing") or ():
        least = int(step["range"][0]) if "range" in step else 0
        facts = found.facts._replace(prompt=least + 1 if least else 0)
        for field, usd in step.items():
            if field in _TOKENS:
                unit = _TOKENS[field]
                value = Decimal(usd) * per(unit)
                yield Quote("litellm", found.provider, found.model, unit, value, facts)
