"""genai-prices: its providers as quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from prices_diff.quotes import Facts, Quote

DUMP = """
import json
from genai_prices.data import providers
print(json.dumps(providers, default=lambda entry: vars(entry) if hasattr(entry, "__dict__") else str(entry)))
"""
"""What the package's own Python runs to write its table as JSON."""

PROVIDERS = {
    "aws": "bedrock",
    "github-copilot": "github_copilot",
    "google": "gemini",
    "moonshotai": "moonshot",
    "openai-decisions": "openai",
    "voyageai": "voyage",
    "x-ai": "xai",
}
"""Where its name for a provider is not that of our file."""

_TOKENS = {
    "input": "input",
    "output": "output",
    "cache_read": "cached_input",
    "cache_write": "cache_write",
    "cache_write_5m": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "input_audio": "audio_input",
    "input_image": "image_input",
    "input_video": "video_input",
    "cache_audio_read": "audio_cached_input",
    "cache_image_read": "image_cached_input",
    "output_audio": "audio_output",
    "output_image": "image_output",
    "output_video": "video_output",
    "output_reasoning": "reasoning",
    "output_citation": "citation",
}
_OTHERS: Mapping[str, tuple[str, int]] = {
    "audio_hours": ("audio_second", 3600),
    "input_audio_hours": ("audio_second", 3600),
    "input_mchars": ("character", 10**6),
    "input_document_kpages": ("page", 1000),
    "input_annotated_document_kpages": ("annotated_page", 1000),
    "rerank_searches_kcount": ("search_unit", 1000),
    "requests_kcount": ("request", 1000),
    "web_searches_kcount": ("web_search", 1),
    "social_searches_kcount": ("x_search", 1),
    "storage_searches_kcount": ("file_search", 1),
    "code_executions_kcount": ("code_execution", 1),
}
"""Its unit, ours, and for how many of ours it states the price (a fee is per thousand in both)."""
_GOOGLES = re.compile(r"claude|^(?:mistral|llama|meta/|deepseek)|-maas$")
"""What it lists under Google and only Vertex serves."""


def quotes(providers: list[Mapping[str, Any]]) -> Iterator[Quote]:
    """Return the prices of today's tables, each name of a model for itself."""
    for provider in providers:
        for model in provider["models"]:
            name = str(model["id"])
            ours = _provider(provider["id"], name)
            hosted = str(provider["id"]).removeprefix("huggingface_")
            if hosted != provider["id"]:
                name = f"{name}:{hosted}"
            tier = "decisions" if provider["id"] == "openai-decisions" else None
            blocks = list(_blocks(model))
            if not any(value is not None for *_, prices in blocks for value in prices.values()):
                blocks = [("", Facts(), {"input_mtok": "0"})]  # its way of saying that it is free
            for since, facts, prices in blocks:
                if tier:
                    facts = facts._replace(tier=tier)
                yield from _prices(ours, name, since, facts, prices)


def _provider(theirs: str, model: str) -> str:
    if theirs.startswith("huggingface_"):
        return "huggingface"
    if theirs == "google" and _GOOGLES.search(model):
        return "vertex"
    return PROVIDERS.get(theirs, theirs)


def _blocks(model: Mapping[str, Any]) -> Iterator[tuple[str, Facts, Mapping[str, Any]]]:
    prices = model["prices"]
    for block in prices if isinstance(prices, list) else [{"constraint": None, "prices": prices}]:
        constraint = block["constraint"] or {}
        if (
            "start_time" not in constraint
        ):  # a window of the day; our calendars are compared by their tests
            yield constraint.get("start_date", ""), Facts(), block["prices"]
    for variant in model["price_variants"] or ():
        when = variant["when"]
        since = (variant["constraint"] or {}).get("start_date", "")
        tier = when.get("service_tier") or when.get("processing")
        if set(when) <= {"service_tier", "processing", "speed"} and tier != "default":
            yield since, Facts(tier=tier, speed=when.get("speed")), variant["prices"]


def _prices(
    provider: str, model: str, since: str, facts: Facts, prices: Mapping[str, Any]
) -> Iterator[Quote]:
    for key, value in prices.items():
        if value is None:
            continue
        unit, per = _OTHERS.get(key, (_TOKENS.get(key.removesuffix("_mtok")), 1))
        if unit is None:
            continue
        steps = [(0, value)]
        if isinstance(value, dict):
            steps = [
                (0, value["base"]),
                *((tier["start"] + 1, tier["price"]) for tier in value["tiers"]),
            ]
        for prompt, usd in steps:
            yield Quote(
                "genai-prices",
                provider,
                model,
                unit,
                Decimal(usd) / per,
                facts._replace(prompt=prompt),
                since,
            )
