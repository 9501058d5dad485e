"""Under which names a call's model may stand in the price table: what the wire says, and what providers make of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from llmitm.calls import Answer, Endpoint, Exchange, Identity, Prompt, header

_CHOICES = frozenset({"fastest", "cheapest", "preferred"})
"""Suffixes that leave it to Hugging Face's router which provider serves.
https://huggingface.co/docs/inference-providers (read 2026-11-26)
"""
_SERVED = re.compile(r"/(?!(?:v[0-9]+|models|pipeline)/)(?P<provider>[a-z0-9-]+)/")
_UNDATED = frozenset({"default", "latest"})
_PUBLISHER = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/(?P<name>.+)")


def names(
    endpoint: Endpoint, exchange: Exchange, prompt: Prompt, answer: Answer, identity: Identity
) -> list[str]:
    """Return the names to try in turn: what the user says, else what answered, what was asked for, the path's."""
    if identity.model_override:
        return [identity.model_override]
    told = [answer.model, prompt.model, endpoint.model]
    match endpoint.provider:
        case "azure":
            # A deployment's name, and a model without its date, may be all that the rest tells.
            told.insert(0, header(exchange.response_headers, "x-ms-served-model"))
        case "bedrock":
            # The profile in the path has a price of its own; the answer names the model behind it.
            told.insert(0, endpoint.model)
        case "deepgram" if exchange.turn is not None and endpoint.operation == "transcription":
            told = _live(exchange, told)
        case "huggingface":
            told = [*_with_provider(exchange, [prompt.model, endpoint.model, answer.model]), *told]
        case "perplexity":
            if exchange.path.partition("?")[0] == "/search":
                told.append("search")  # which has no model
        case "vertex":
            told = [spelling for name in told if name for spelling in _without_path_and_sign(name)]
        case _:
            pass
    return list(dict.fromkeys(name for name in told if name))


def _live(exchange: Exchange, told: Iterable[str | None]) -> list[str | None]:
    """Return Deepgram's names for live sound, which has prices of its own: never those of recordings."""
    many = dict(parse_qsl(exchange.path.partition("?")[2])).get("language") == "multi"
    names = [f"streaming/{name.removesuffix('-general')}" for name in told if name]
    return [*(f"{name}-multilingual" for name in names if many), *names]


def _with_provider(exchange: Exchange, told: Iterable[str | None]) -> list[str]:
    """Return Hugging Face's names as the table has them, `model:provider`: the price is that of who served.

    The name that was asked for comes first, for what answers often bears a name that only its provider knows.
    """
    served = header(exchange.response_headers, "x-inference-provider") or _in_path(exchange.path)
    full, plain = [], []
    for name in filter(None, told):
        model, _, suffix = name.partition(":")
        provider = suffix if suffix and suffix not in _CHOICES else served
        if provider:
            full.append(f"{model}:{provider.lower()}")
        plain.append(model)
    return [*full, *plain]


def _in_path(path: str) -> str | None:
    """Return the provider that a path of the router names: `/novita/v3/openai/chat/completions`."""
    found = _SERVED.match(path)
    return found["provider"] if found else None


def _without_path_and_sign(name: str) -> Iterable[str]:
    """Return Vertex AI's spellings: `publishers/anthropic/models/claude-x@20250219` is elsewhere `claude-x-20250219`."""
    yield name
    if found := _PUBLISHER.fullmatch(name):
        name = found["name"]
        yield name
    model, separator, version = name.partition("@")
    if separator:
        # A date is kept: versions of a model may differ in price.
        yield model if version in _UNDATED else f"{model}-{version}"
