"""Chat completions: OpenAI's most copied format, with what its copies add.

Content is a text, a list of parts (Mistral) or an object (Cloudflare); thinking is `reasoning_content`,
`reasoning` or a part of its own; usage may sit under `x_groq`. The first choice is the one that is read.
"""

from __future__ import annotations

import re
from typing import ClassVar

from llmitm.calls import Answer, Endpoint, Json, ModelUsage, ToolCall
from llmitm.providers import openai_usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import filled, first, items, mapping, text
from llmitm.providers.openai_base import OpenAIDialect
from llmitm.providers.openai_choices import ChoicesAssembler
from llmitm.wire.jsontext import compact


class OpenAIChat(OpenAIDialect):
    """`POST .../chat/completions`, and its stored answers."""

    name = "openai_chat"
    routes: ClassVar[tuple[Route, ...]] = (
        Route(re.compile(r"/deployments/(?P<model>[^/]+)/chat/completions/?$"), "chat"),
        # Hugging Face's older addresses.
        Route(re.compile(r"/models/(?P<model>.+)/v1/chat/completions/?$"), "chat"),
        Route(re.compile(r"/chat/completions/?$"), "chat"),
        Route(re.compile(r"(?<!/v2)/v1/chat/?$"), "chat"),  # Writer
        # Mistral's agents: the answer names the model, the request an agent.
        Route(re.compile(r"/agents/completions/?$"), "chat"),
        # Databricks' served models: the path names them, the body need not.
        Route(re.compile(r"/serving-endpoints/(?P<model>[^/]+)/invocations/?$"), "chat"),
        Route(re.compile(r"/chat/completions/[^/]+/?$"), "chat", ("GET",), counted=False),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of chunks."""
        return ChoicesAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        choice = first(body.get("choices"))
        if answer.usage.source == "none":
            # Groq's extension; Moonshot's last chunk.
            usage = mapping(body.get("x_groq")).get("usage") or choice.get("usage")
            answer.usage, answer.reported = openai_usage.read(usage)
        answer.by_model = _by_model(body)
        message = mapping(choice.get("message"))
        if isinstance(body.get("choices"), list):
            _read_message(answer, message)
        answer.finish_reason = _finish_reason(choice)
        return answer


def _by_model(body: dict[str, Json]) -> tuple[ModelUsage, ...]:
    """Return what each model used of Groq's compound ones, whose usage is the sum.

    https://console.groq.com/docs/compound (read 2026-11-24)
    """
    breakdown = body.get("usage_breakdown") or mapping(body.get("x_groq")).get("usage_breakdown")
    models = map(mapping, items(mapping(breakdown).get("models")))
    parts = [
        (filled(each.get("model")), openai_usage.read(each.get("usage"))[0]) for each in models
    ]
    return tuple(ModelUsage(name, usage) for name, usage in parts if name)


def _read_message(answer: Answer, message: dict[str, Json]) -> None:
    content = message.get("content")
    answer.text = _text(content)
    answer.reasoning = _reasoning(message, content)
    answer.refusal = filled(message.get("refusal"))
    answer.tool_calls = tuple(_tool_calls(message))


def _finish_reason(choice: dict[str, Json]) -> str | None:
    reason = text(choice.get("finish_reason"))
    if reason is not None:
        return reason
    # The vision previews of 2023 had an object in its place.
    return filled(mapping(choice.get("finish_details")).get("type"))


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return compact(content)
    parts = (mapping(part) for part in items(content))
    return "".join(text(p.get("text")) or "" for p in parts if p.get("type") in ("text", None))


def _reasoning(message: dict[str, Json], content: Json) -> str | None:
    for name in ("reasoning_content", "reasoning", "thinking"):
        if found := filled(message.get(name)):
            return found
    thinking = [
        text(mapping(piece).get("text")) or ""
        for part in items(content)
        for piece in items(mapping(part).get("thinking"))
    ]
    return "".join(thinking) or None


def _tool_calls(message: dict[str, Json]) -> list[ToolCall]:
    calls = []
    for call in items(message.get("tool_calls")):
        body = mapping(mapping(call).get("function")) or mapping(mapping(call).get("custom"))
        # Snowflake fills the list with empty calls.
        if name := filled(body.get("name")):
            arguments = body.get("arguments", body.get("input"))
            calls.append(ToolCall(name, _arguments(arguments), filled(call.get("id"))))
    legacy = mapping(message.get("function_call"))
    if not calls and (name := filled(legacy.get("name"))):
        calls.append(ToolCall(name, _arguments(legacy.get("arguments"))))
    return calls


def _arguments(value: Json) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value)


DIALECT = OpenAIChat()
