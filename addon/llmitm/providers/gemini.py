"""Gemini's generateContent, as the Gemini API and Vertex AI speak it.

Thoughts and tool prompts are counted beside the candidates and the prompt, and are billed: `Usage` has them inside.
https://ai.google.dev/api/generate-content (read 2026-11-24)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmitm.calls import Answer, Endpoint, Json, ToolCall
from llmitm.providers import gemini_usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import filled, first, items, mapping, text
from llmitm.providers.gemini_base import MODEL, GeminiDialect
from llmitm.providers.gemini_stream import ResponseAssembler
from llmitm.wire.jsontext import compact


class Gemini(GeminiDialect):
    """`POST .../models/{model}:generateContent` and `:streamGenerateContent`."""

    name = "gemini"
    routes = (
        Route(re.compile(rf"{MODEL}:generateContent$"), "chat"),
        Route(re.compile(rf"{MODEL}:streamGenerateContent$"), "chat", streams=True),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of partial responses."""
        return ResponseAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        candidate = first(body.get("candidates"))
        answer.finish_reason = _finish_reason(candidate.get("finishReason"))
        answer.usage = gemini_usage.with_grounding(answer.usage, candidate)
        if "candidates" in body or "promptFeedback" in body:
            _read_candidate(answer, candidate)
            blocked = filled(mapping(body.get("promptFeedback")).get("blockReason"))
            answer.refusal = f"prompt blocked: {blocked}" if blocked else None
            answer.blocked = f"prompt: {blocked}" if blocked else None
        return answer


def _read_candidate(answer: Answer, candidate: dict[str, Json]) -> None:
    parts = [mapping(part) for part in items(mapping(candidate.get("content")).get("parts"))]
    answer.text = _joined(part for part in parts if part.get("thought") is not True)
    answer.reasoning = _joined(part for part in parts if part.get("thought") is True) or None
    answer.tool_calls = tuple(_tool_calls(parts))


def _joined(parts: Iterable[dict[str, Json]]) -> str:
    return "".join(text(part.get("text")) or "" for part in parts)


def _tool_calls(parts: Iterable[dict[str, Json]]) -> Iterable[ToolCall]:
    for part in parts:
        call = mapping(part.get("functionCall"))
        if name := filled(call.get("name")):
            yield ToolCall(name, compact(mapping(call.get("args"))), filled(call.get("id")))


def _finish_reason(value: Json) -> str | None:
    # A number where the client asked for `enum-encoding=int`.
    return str(value) if type(value) is int else text(value)


DIALECT = Gemini()
