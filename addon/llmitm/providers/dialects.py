"""The list of dialects: a new one is one module and one line in `_FAMILIES`.

A provider's entry names families; each family is tried in the order in which it stands here.
"""

from __future__ import annotations

from functools import cache

from llmitm.providers import (
    aleph_alpha,
    anthropic_complete,
    anthropic_messages,
    anthropic_resources,
    assemblyai,
    bedrock_converse,
    bedrock_invoke,
    bedrock_resources,
    cloudflare,
    cohere_chat,
    cohere_documents,
    cohere_v1,
    deepgram,
    elevenlabs,
    fal,
    gemini,
    gemini_embeddings,
    gemini_interactions,
    gemini_live,
    gemini_resources,
    huggingface,
    jina,
    mistral_conversations,
    nomic,
    ollama,
    openai_audio,
    openai_chat,
    openai_completions,
    openai_documents,
    openai_embeddings,
    openai_images,
    openai_moderations,
    openai_realtime,
    openai_resources,
    openai_responses,
    openai_videos,
    replicate,
    stability,
    voyage,
    watsonx,
    watsonx_chat,
)
from llmitm.providers.base import Dialect

_FAMILIES: dict[str, tuple[Dialect, ...]] = {
    "aleph_alpha": (aleph_alpha.DIALECT,),
    "anthropic": (
        anthropic_messages.DIALECT,
        anthropic_complete.DIALECT,
        anthropic_resources.DIALECT,
    ),
    "assemblyai": (assemblyai.DIALECT,),
    "bedrock": (
        bedrock_converse.DIALECT,
        bedrock_invoke.DIALECT,
        bedrock_resources.DIALECT,
    ),
    "cloudflare": (cloudflare.DIALECT,),
    "cohere": (cohere_chat.DIALECT, cohere_v1.DIALECT, cohere_documents.DIALECT),
    "deepgram": (deepgram.DIALECT,),
    "elevenlabs": elevenlabs.DIALECTS,
    "fal": (fal.DIALECT,),
    "gemini": (
        gemini.DIALECT,
        gemini_embeddings.DIALECT,
        gemini_interactions.DIALECT,
        gemini_live.DIALECT,
        gemini_resources.DIALECT,
    ),
    "huggingface": (huggingface.DIALECT,),
    "jina": (jina.DIALECT,),
    "mistral": (mistral_conversations.DIALECT,),
    "nomic": (nomic.DIALECT,),
    "ollama": (ollama.DIALECT,),
    "openai": (
        openai_chat.DIALECT,
        openai_responses.DIALECT,
        openai_completions.DIALECT,
        openai_embeddings.DIALECT,
        openai_images.DIALECT,
        openai_audio.DIALECT,
        openai_moderations.DIALECT,
        openai_documents.DIALECT,
        openai_videos.DIALECT,
        openai_realtime.DIALECT,
        openai_resources.DIALECT,
    ),
    "replicate": (replicate.DIALECT,),
    "stability": (stability.DIALECT,),
    "voyage": (voyage.DIALECT,),
    "watsonx": (watsonx.DIALECT, watsonx_chat.DIALECT),
}


@cache
def dialects(families: tuple[str, ...]) -> tuple[Dialect, ...]:
    """Return the dialects of some families, in order. Raises `KeyError` with the name of an unknown one."""
    return tuple(dialect for family in families for dialect in _FAMILIES[family])


@cache
def by_name(name: str) -> Dialect:
    """Return a dialect by the name that an `Endpoint` gives."""
    return next(d for family in _FAMILIES.values() for d in family if d.name == name)


def families() -> tuple[str, ...]:
    """Return the names of all families, for error messages."""
    return tuple(_FAMILIES)
