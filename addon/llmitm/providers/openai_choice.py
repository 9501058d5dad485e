"""One choice of a chat completion, put into an answer.

Content is a text, a list of parts (Mistral) or an object (Cloudflare); thinking is `reasoning_content`, `reasoning`
or a part of its own.
"""

from __future__ import annotations

from llmitm.calls import Answer, Json, ToolCall
from llmitm.providers.fields import filled, items, mapping, text
from llmitm.wire.jsontext import compact


def read(answer: Answer, choice: dict[str, Json]) -> None:
    """Put the message of a choice into an answer."""
    message = mapping(choice.get("message"))
    content = message.get("content")
    answer.text = _text(content)
    answer.reasoning = _reasoning(message, content)
    answer.refusal = filled(message.get("refusal"))
    answer.tool_calls = tuple(_tool_calls(message))


def finish_reason(choice: dict[str, Json]) -> str | None:
    """Return why a choice ended."""
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
