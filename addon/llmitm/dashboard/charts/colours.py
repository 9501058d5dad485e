"""One colour for each family of providers; its models are shades of it. What has no family has a place in a palette."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

_FAMILIES = {
    "openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "bedrock": "amazon",
    "vertex": "google",
    "gemini": "google",
    "google": "google",
    "mistral": "mistral",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "xai": "xai",
    "groq": "groq",
    "openrouter": "openrouter",
    "together": "together",
    "fireworks": "fireworks",
    "ollama": "ollama",
    "huggingface": "huggingface",
    "perplexity": "perplexity",
}
PALETTE = 8
"""Colours for what has no family."""
_SHADES = 5


def family(provider: str) -> str:
    """Return the class of a provider's colour."""
    for beginning, name in _FAMILIES.items():
        if provider.startswith(beginning):
            return f"c-{name}"
    return f"c-{zlib.crc32(provider.encode()) % PALETTE}"


def colour(rank: int) -> str:
    """Return the class of the colour of what has this rank and no family."""
    return f"c-{rank % PALETTE}"


def shades(providers: Sequence[str]) -> list[str]:
    """Return classes for things of some providers: the second of a family has another shade than its first."""
    seen: dict[str, int] = {}
    found = []
    for provider in providers:
        name = family(provider)
        found.append(f"{name} s{seen.get(name, 0) % _SHADES}")
        seen[name] = seen.get(name, 0) + 1
    return found
