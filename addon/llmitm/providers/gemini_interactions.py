"""Gemini's Interactions: steps instead of candidates, the model in the body, a usage object of its own.

https://ai.google.dev/api/interactions-api (read 2026-11-24)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmitm.calls import Answer, Endpoint, Json, Prompt, ToolCall
from llmitm.providers import gemini_usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import count, filled, flag, items, mapping, text
from llmitm.providers.gemini_base import GeminiDialect
from llmitm.providers.gemini_steps import InteractionAssembler
from llmitm.wire.jsontext import compact


class GeminiInteractions(GeminiDialect):
    """`POST .../interactions`, and its stored answers."""

    name = "gemini_interactions"
    routes = (
        Route(re.compile(r"/interactions/?$"), "chat"),
        Route(re.compile(r"/interactions/[^/]+/?$"), "chat", ("GET", "DELETE"), counted=False),
        Route(re.compile(r"/interactions/[^/]+/cancel$"), "chat", counted=False),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        body = mapping(document)
        return Prompt(
            model=filled(body.get("model")),
            streaming=flag(body.get("stream")),
            document=document,
            previous_response_id=filled(body.get("previous_interaction_id")),
            max_output_tokens=count(
                mapping(body.get("generation_config")).get("max_output_tokens")
            ),
            service_tier=filled(body.get("service_tier")),
        )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return InteractionAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read an interaction."""
        body = mapping(document)
        usage = mapping(body.get("usage"))
        answer = super().answer(document, head)
        answer.model = filled(body.get("model"))
        answer.response_id = filled(body.get("id"))
        answer.finish_reason = text(body.get("status"))
        answer.usage = gemini_usage.read_interaction(usage)
        answer.reported = gemini_usage.reported_interaction(usage)
        answer.service_tier = filled(body.get("service_tier")) or answer.service_tier
        if answer.finish_reason is not None:
            steps = [mapping(step) for step in items(body.get("steps"))]
            answer.text = _texts(steps, "model_output", "content")
            answer.reasoning = _texts(steps, "thought", "summary") or None
            answer.tool_calls = tuple(_tool_calls(steps))
        return answer


def _texts(steps: Iterable[dict[str, Json]], kind: str, name: str) -> str:
    parts = (part for step in steps if step.get("type") == kind for part in items(step.get(name)))
    return "".join(text(mapping(part).get("text")) or "" for part in parts)


def _tool_calls(steps: Iterable[dict[str, Json]]) -> Iterable[ToolCall]:
    for step in steps:
        if step.get("type") == "function_call" and (name := filled(step.get("name"))):
            arguments = step.get("arguments")
            written = arguments if isinstance(arguments, str) else compact(mapping(arguments))
            yield ToolCall(name, written, filled(step.get("id")))


DIALECT = GeminiInteractions()
