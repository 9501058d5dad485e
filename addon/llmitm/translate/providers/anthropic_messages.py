"""Requests to Anthropic's Messages.

https://platform.claude.com/docs/en/api/messages (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers.fields import mapping
from llmitm.translate import anthropic_options, tool_ids, turns
from llmitm.translate.chat import (
    ChatRequest,
    Media,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from llmitm.translate.providers.anthropic_messages_answer import MessageReader
from llmitm.translate.providers.fields import anthropic_user, left_out, tool_schema
from llmitm.translate.sides import AnswerReader, Notes, Outgoing, Provider, Untranslatable
from llmitm.wire import jsontext

_VERSION = "2023-06-01"
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "one": "tool"}
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class AnthropicMessagesProvider(Provider):
    """A provider of Anthropic's Messages."""

    dialect = "anthropic_messages"

    def write(self, request: ChatRequest, model: str, notes: Notes) -> Outgoing:
        """Write a request."""
        spoken = turns.alternating(request.turns, notes)
        options = anthropic_options.choose(request, spoken, model, notes)
        body: dict[str, Json] = {"model": model, "max_tokens": options.max_tokens}
        system = [{"type": "text", "text": text.text} for text in request.system]
        if options.instructions:
            system.append({"type": "text", "text": options.instructions})
        if system:
            body["system"] = system
        body["messages"] = [_message(turn, notes) for turn in spoken]
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            _mark_for_cache(body)
        if (choice := _choice(request)) is not None:
            body["tool_choice"] = choice
        values = {
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "stop_sequences": [stop for stop in request.stop if stop.strip()] or None,
            "thinking": options.thinking,
            "output_config": options.output,
            "metadata": {"user_id": user} if (user := anthropic_user(request.user)) else None,
            "stream": request.streaming or None,
        }
        body.update({name: value for name, value in values.items() if value is not None})
        left_out(request.sampling, request.extras, notes)
        return Outgoing("/v1/messages", body, [("anthropic-version", _VERSION)])

    def reader(self) -> AnswerReader:
        """Return a reader of a message."""
        return MessageReader()


def _message(turn: Turn, notes: Notes) -> Json:
    blocks = [block for part in turn.parts if (block := _block(part, notes)) is not None]
    return {"role": turn.role, "content": blocks or [{"type": "text", "text": "(empty)"}]}


def _block(part: Part, notes: Notes) -> Json:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Media():
            return _media(part)
        case ToolUse():
            arguments = mapping(jsontext.parse_or_none(part.arguments or "{}"))
            identifier = tool_ids.fitting(part.id)
            return {"type": "tool_use", "id": identifier, "name": part.name, "input": arguments}
        case ToolResult():
            return _result(part)
        case Reasoning():
            return _thinking(part, notes)


def _media(media: Media) -> Json:
    if media.kind == "image" and media.data is not None and media.media_type not in _PICTURES:
        raise Untranslatable(f"an image of the type {media.media_type!r}")
    if media.url is not None:
        source = {"type": "url", "url": media.url}
    else:
        source = {"type": "base64", "media_type": media.media_type or "", "data": media.data or ""}
    block: dict[str, Json] = {"type": media.kind, "source": source}
    if media.kind == "document" and media.name:
        block["title"] = media.name
    return block


def _result(result: ToolResult) -> Json:
    content: list[Json] = [
        {"type": "text", "text": part.text} if isinstance(part, Text) else _media(part)
        for part in result.parts
        if not isinstance(part, Text) or part.text.strip()
    ]
    block: dict[str, Json] = {
        "type": "tool_result",
        "tool_use_id": tool_ids.fitting(result.id),
        "content": content,
    }
    if result.is_error:
        block["is_error"] = True
    return block


def _thinking(reasoning: Reasoning, notes: Notes) -> Json:
    if reasoning.redacted is not None:
        return {"type": "redacted_thinking", "data": reasoning.redacted}
    if reasoning.signature is None:
        notes.add("reasoning of earlier turns is left out: it is not Anthropic's")
        return None
    return {"type": "thinking", "thinking": reasoning.text, "signature": reasoning.signature}


def _tool(tool: Tool) -> Json:
    written: dict[str, Json] = {"name": tool.name, "input_schema": tool_schema(tool)}
    if tool.description:
        written["description"] = tool.description
    return written


def _choice(request: ChatRequest) -> Json:
    choice = request.tool_choice
    if not request.tools or (choice is None and request.parallel_tool_calls is not False):
        return None
    mode = _CHOICES[choice.mode] if choice else "auto"
    written: dict[str, Json] = {"type": mode}
    if choice and choice.mode == "one":
        written["name"] = choice.name
    if request.parallel_tool_calls is False and mode != "none":
        written["disable_parallel_tool_use"] = True
    return written


def _mark_for_cache(body: dict[str, Json]) -> None:
    """Have the prompt cached, as other providers do unasked: an agent sends it again in every call."""
    for blocks in _ends(body):
        if blocks[-1].get("type") not in ("thinking", "redacted_thinking"):
            blocks[-1]["cache_control"] = {"type": "ephemeral"}


def _ends(body: dict[str, Json]) -> Iterator[list[dict[str, Json]]]:
    yield body.get("system") or body["tools"]
    yield body["messages"][-1]["content"]
