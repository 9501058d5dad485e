"""OpenTelemetry's names for what the log has: GenAI semantic conventions, in development.

https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs (read 2026-11-26). What has no name there is
under `llmitm.`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from llmitm.exports.otlp.protobuf import Attribute
from llmitm.store.reader import Record

SCHEMA = "https://opentelemetry.io/schemas/gen-ai/1.42.0"

_OPERATIONS: Mapping[str, str] = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "image": "generate_content",
    "speech": "generate_content",
    "video": "generate_content",
}
"""Those that have a name of their own there; the others keep ours, which the conventions allow."""
_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "chatgpt_codex": "openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_OUTPUTS: Mapping[str, str] = {
    "image": "image",
    "speech": "speech",
    "chat": "text",
    "completion": "text",
}
_TOKENS: Mapping[str, str] = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "input_audio_tokens": "gen_ai.usage.audio.input_tokens",
    "output_audio_tokens": "gen_ai.usage.audio.output_tokens",
    "input_image_tokens": "gen_ai.usage.image.input_tokens",
    "input_video_tokens": "gen_ai.usage.video.input_tokens",
}
_AS_THEY_ARE = ("process.", "vcs.")
"""Properties that have OpenTelemetry's names already."""


def common(call: Record) -> dict[str, Attribute | None]:
    """Return what spans and metrics of a call have in common."""
    return {
        "gen_ai.operation.name": operation(call),
        "gen_ai.provider.name": _PROVIDERS.get(call["provider"], call["provider"]),
        "gen_ai.request.model": call["model_requested"] or call["model"],
        "gen_ai.response.model": call["model"],
        "server.address": call["host"],
        "server.port": 443,
    }


def operation(call: Record) -> str:
    """Return the name of what was asked for."""
    return _OPERATIONS.get(call["operation"], call["operation"])


def error(call: Record) -> str | None:
    """Return the class of the error that a call ended with."""
    if call["outcome"] == "ok":
        return None
    return str(call["error_type"] or call["status"] or call["outcome"])


def of_span(call: Record, *, content: bool) -> dict[str, Attribute | None]:
    """Return the attributes of a call's span; prompts and answers only where they are asked for."""
    first = call["first_content_ms"]
    cost = call["cost_nanousd"]
    reason = call["finish_reason"]
    told: dict[str, Attribute | None] = {
        **common(call),
        **{name: call[column] for column, name in _TOKENS.items()},
        "gen_ai.conversation.id": call["session_id"],
        "gen_ai.response.id": call["response_id"],
        "gen_ai.response.finish_reasons": [reason] if reason else None,
        "gen_ai.output.type": _OUTPUTS.get(call["operation"]),
        "gen_ai.request.stream": True if call["streaming"] else None,
        "gen_ai.response.time_to_first_chunk": None if first is None else first / 1000,
        "http.response.status_code": call["status"],
        "error.type": error(call),
        "user.id": call["user"],
        "user_agent.original": call["client"],
        "llmitm.call.id": call["id"],
        "llmitm.run.id": call["run_id"],
        "llmitm.cost.usd": None if cost is None else cost / 1e9,
        "llmitm.price.id": call["price_id"],
        "llmitm.unpriced_reason": call["unpriced_reason"],
        "llmitm.usage.source": call["usage_source"],
        "llmitm.cache": call["cache"],
        "llmitm.attempts": call["attempts"] if call["attempts"] > 1 else None,
    }
    for name, value in sorted(call["properties"].items()):
        told[name if name.startswith(_AS_THEY_ARE) else f"llmitm.property.{name.lower()}"] = value
    if content:
        told["gen_ai.input.messages"] = _messages("user", call["prompt"])
        told["gen_ai.output.messages"] = _messages("assistant", call["response"], reason)
    return told


def _messages(role: str, said: str | None, reason: str | None = None) -> str | None:
    if said is None:
        return None
    message: dict[str, object] = {"role": role, "parts": [{"type": "text", "content": said}]}
    if role == "assistant":
        message["finish_reason"] = reason or ""
    return json.dumps([message], ensure_ascii=False)
