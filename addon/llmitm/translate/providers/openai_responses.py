"""Requests to OpenAI's Responses.

https://platform.openai.com/docs/api-reference/responses (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.translate import media, model_facts, tool_ids
from llmitm.translate.chat import (
    ChatRequest,
    Media,
    Part,
    Reasoning,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from llmitm.translate.providers.fields import openai_user, tool_schema
from llmitm.translate.providers.openai_chat import effort, extras
from llmitm.translate.providers.openai_responses_answer import ResponseReader
from llmitm.translate.sides import AnswerReader, Notes, Outgoing, Provider, Untranslatable

_FEWEST_TOKENS = 16
"""The smallest limit that OpenAI takes."""


class OpenAIResponsesProvider(Provider):
    """A provider of Responses. Nothing is kept there: the client sends the whole chat each time."""

    dialect = "openai_responses"

    def write(self, request: ChatRequest, model: str, notes: Notes) -> Outgoing:
        """Write a request."""
        entries = [item for turn in request.turns for item in _items(turn, notes)]
        if not entries:
            raise Untranslatable("a chat without any message")
        more = extras(request.extras, model, notes)
        form: dict[str, Json] = {}
        if request.response_format is not None:
            form["format"] = _format(request.response_format)
        if (verbosity := more.pop("verbosity", None)) is not None:
            form["verbosity"] = verbosity
        thought = effort(request, model, notes)
        limit = request.max_tokens
        values: dict[str, Json] = {
            "model": model,
            "instructions": "\n\n".join(part.text for part in request.system) or None,
            "input": entries,
            "tools": [_tool(tool) for tool in request.tools] or None,
            "tool_choice": _choice(request.tool_choice) if request.tools else None,
            "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
            "max_output_tokens": None if limit is None else max(limit, _FEWEST_TOKENS),
            **_sampling(request, model, notes),
            "text": form or None,
            "reasoning": {"effort": thought, "summary": "auto"} if thought else None,
            "include": ["reasoning.encrypted_content"] if thought else None,
            "user": openai_user(request.user) if model_facts.is_openai(model) else None,
            "stream": request.streaming or None,
            **more,
            "store": False,
        }
        return Outgoing("/v1/responses", {k: v for k, v in values.items() if v is not None}, [])

    def reader(self) -> AnswerReader:
        """Return a reader of a response."""
        return ResponseReader()


def _items(turn: Turn, notes: Notes) -> Iterator[Json]:
    """Return a turn as items; text and media that follow each other are one message."""
    content: list[Json] = []
    for part in turn.parts:
        if isinstance(part, Text | Media):
            if not (isinstance(part, Text) and not part.text):
                content.append(_content(part))
            continue
        if content:
            yield _message(turn.role, content)
            content = []
        item = _item(part, notes)
        if item is not None:
            yield item
    if content:
        yield _message(turn.role, content)


def _message(role: Role, content: list[Json]) -> Json:
    """Return a message; an answer as plain text, for parts of an answer want an id that there is none of."""
    if role == "assistant":
        written = "".join(part.get("text", "") for part in content)
        return {"type": "message", "role": role, "content": written}
    return {"type": "message", "role": role, "content": content}


def _content(part: Text | Media) -> Json:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if part.kind == "image":
        image = {"type": "input_image", "image_url": media.data_uri(part)}
        return {**image, "detail": part.detail or "auto"}
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    name = part.name or "document.pdf"
    return {"type": "input_file", "filename": name, "file_data": media.data_uri(part)}


def _item(part: Part, notes: Notes) -> Json:
    match part:
        case ToolUse():
            return {
                "type": "function_call",
                "call_id": tool_ids.fitting(part.id),
                "name": part.name,
                "arguments": part.arguments or "{}",
            }
        case ToolResult():
            return {
                "type": "function_call_output",
                "call_id": tool_ids.fitting(part.id),
                "output": _output(part),
            }
        case Reasoning(encrypted=str(encrypted)):
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            item = {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}
            return {**item, "id": part.item_id} if part.item_id else item
    notes.add("reasoning of earlier turns is left out: it is not OpenAI's")
    return None


def _output(result: ToolResult) -> Json:
    prefix = "Error: " if result.is_error else ""
    if all(isinstance(part, Text) for part in result.parts):
        return prefix + "".join(part.text for part in result.parts if isinstance(part, Text))
    return [_content(part) for part in result.parts]


def _sampling(request: ChatRequest, model: str, notes: Notes) -> dict[str, Json]:
    for name in ("top_k", "stop"):
        if getattr(request, name):
            notes.add(f"{name} has no counterpart")
    for name in request.sampling:
        notes.add(f"{name} has no counterpart")
    if not model_facts.is_newer_openai(model):
        return {"temperature": request.temperature, "top_p": request.top_p}
    if any(value not in (None, 1.0) for value in (request.temperature, request.top_p)):
        notes.add(f"temperature and top_p are left out: {model} takes none")
    return {}


def _tool(tool: Tool) -> Json:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool_schema(tool),
        "strict": tool.strict,
    }


def _choice(choice: ToolChoice | None) -> Json:
    if choice is not None and choice.mode == "one":
        return {"type": "function", "name": choice.name}
    return None if choice is None else choice.mode


def _format(form: ResponseFormat) -> Json:
    if form.schema is None:
        return {"type": "json_object"}
    schema = {"name": form.name, "schema": dict(form.schema), "strict": form.strict}
    return {"type": "json_schema", **schema}
