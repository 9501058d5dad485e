"""Requests to OpenAI's chat completions, and to the many who copy them.

https://platform.openai.com/docs/api-reference/chat (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmitm.calls import Json
from llmitm.translate import efforts, media, model_facts, tool_ids
from llmitm.translate.chat import (
    ChatRequest,
    Media,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from llmitm.translate.providers.fields import openai_user, tool_schema
from llmitm.translate.providers.openai_chat_answer import ChunkReader
from llmitm.translate.sides import AnswerReader, Notes, Outgoing, Provider, Untranslatable

_MOST_STOPS = 4
_LONGEST_DESCRIPTION = 1_024
"""Characters that OpenAI itself takes of a function's description, which Claude Code's are beyond."""


class OpenAIChatProvider(Provider):
    """A provider of chat completions."""

    dialect = "openai_chat"

    def write(self, request: ChatRequest, model: str, notes: Notes) -> Outgoing:
        """Write a request."""
        body: dict[str, Json] = {"model": model, "messages": list(_messages(request, model, notes))}
        if not body["messages"]:
            raise Untranslatable("a chat without any message")
        if request.tools:
            is_short = model_facts.is_openai(model)
            body["tools"] = [_tool(tool, is_short) for tool in request.tools]
            if request.tool_choice is not None:
                body["tool_choice"] = _choice(request.tool_choice)
            if request.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = request.parallel_tool_calls
        values: dict[str, Json] = {
            **_limit(request, model, notes),
            **_sampling(request, model, notes),
            "stop": _stop(request, notes),
            "reasoning_effort": _effort(request, model, notes),
            "user": openai_user(request.user) if model_facts.is_openai(model) else None,
            "stream": request.streaming or None,
            "stream_options": {"include_usage": True} if request.streaming else None,
        }
        if request.response_format is not None:
            values["response_format"] = _format(request.response_format)
        body.update({name: value for name, value in values.items() if value is not None})
        body.update(extras(request.extras, model, notes))
        return Outgoing("/v1/chat/completions", body, [])

    def reader(self) -> AnswerReader:
        """Return a reader of a completion."""
        return ChunkReader()


def effort(request: ChatRequest, model: str, notes: Notes) -> str | None:
    """Return how much is to be thought, for models that are known to take it."""
    if request.effort is None or request.effort == "none":
        return None
    if model_facts.takes_effort(model):
        return efforts.for_openai(request.effort, model)
    notes.add(f"thinking is left out: {model} is not known to take a reasoning effort")
    return None


def _effort(request: ChatRequest, model: str, notes: Notes) -> str | None:
    if request.tools and model_facts.thinks_with_tools_only_in_responses(model):
        notes.add(f"thinking is left out: {model} thinks with tools only in Responses")
        return "none"
    return effort(request, model, notes)


def extras(given: Mapping[str, Json], model: str, notes: Notes) -> dict[str, Json]:
    """Return what only OpenAI itself is known to take."""
    if model_facts.is_openai(model):
        return dict(given)
    for name in given:
        notes.add(f"{name} is left out: {model} is not OpenAI's")
    return {}


def _messages(request: ChatRequest, model: str, notes: Notes) -> Iterator[Json]:
    system = [part.text for part in request.system]
    if model_facts.is_openai(model):
        long = [tool for tool in request.tools if _is_long(tool)]
        system += [f"# Tool {tool.name}\n{tool.description}" for tool in long]
        if long:
            notes.add("long descriptions of tools are sent as part of the system prompt")
    if system:
        yield {"role": "system", "content": "\n\n".join(system)}
    for turn in request.turns:
        match turn.role:
            case "assistant":
                yield _assistant(turn, model, notes)
            case "system":
                yield {"role": "system", "content": _joined(turn.parts)}
            case "user":
                yield from _user(turn, model, notes)


def _id(identifier: str, model: str) -> str:
    is_short = model_facts.wants_short_ids(model)
    return tool_ids.short(identifier) if is_short else tool_ids.fitting(identifier)


def _user(turn: Turn, model: str, notes: Notes) -> Iterator[Json]:
    """Return a turn of the user's: the results of tools first, each a message of its own."""
    shown: list[Json] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            content = _joined(part.parts)
            if part.is_error and content:
                content = f"Error: {content}"
            pictures = [each for each in part.parts if isinstance(each, Media)]
            if pictures:
                notes.add("media in the result of a tool is sent after it, as the user's")
                shown.append({"type": "text", "text": "What the tool gave:"})
                shown += map(_media, pictures)
                content = content or "See what follows."
            yield {"role": "tool", "tool_call_id": _id(part.id, model), "content": content}
    shown += [found for part in turn.parts if (found := _shown(part)) is not None]
    if shown:
        texts = [part["text"] for part in shown if part["type"] == "text"]
        is_text = len(texts) == len(shown)
        yield {"role": "user", "content": "\n\n".join(texts) if is_text else shown}


def _shown(part: Part) -> Json:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text} if part.text else None
    return _media(part) if isinstance(part, Media) else None


def _media(part: Media) -> Json:
    if part.kind == "image":
        image = {"url": media.data_uri(part)}
        if part.detail:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if part.data is None:
        raise Untranslatable("a document by URL")
    name = part.name or "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": media.data_uri(part)}}


def _assistant(turn: Turn, model: str, notes: Notes) -> Json:
    message: dict[str, Json] = {"role": "assistant", "content": _joined(turn.parts) or None}
    calls = [part for part in turn.parts if isinstance(part, ToolUse)]
    if calls:
        message["tool_calls"] = [_call(call, model) for call in calls]
    elif message["content"] is None:
        message["content"] = ""
    thoughts = [part for part in turn.parts if isinstance(part, Reasoning)]
    if thoughts and model_facts.wants_reasoning_back(model):
        message["reasoning_content"] = "".join(thought.text for thought in thoughts)
    elif any(thought.text for thought in thoughts):
        notes.add("reasoning of earlier turns is left out")
    return message


def _call(call: ToolUse, model: str) -> Json:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    written: dict[str, Json] = {
        "id": _id(call.id, model),
        "type": "function",
        "function": function,
    }
    if call.signature is not None:
        # https://ai.google.dev/gemini-api/docs/thought-signatures (read 2026-11-26)
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def _is_long(tool: Tool) -> bool:
    return len(tool.description or "") > _LONGEST_DESCRIPTION


def _tool(tool: Tool, is_short: bool) -> Json:
    function: dict[str, Json] = {"name": tool.name, "parameters": tool_schema(tool)}
    if is_short and _is_long(tool):
        function["description"] = f"Described in the system prompt as # Tool {tool.name}."
    elif tool.description:
        function["description"] = tool.description
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> Json:
    if choice.mode == "one":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _format(form: ResponseFormat) -> Json:
    if form.schema is None:
        return {"type": "json_object"}
    schema = {"name": form.name, "schema": dict(form.schema), "strict": form.strict}
    return {"type": "json_schema", "json_schema": schema}


def _limit(request: ChatRequest, model: str, notes: Notes) -> dict[str, Json]:
    name = "max_completion_tokens" if model_facts.is_newer_openai(model) else "max_tokens"
    asked, most = request.max_tokens, model_facts.openai_limit(model)
    if asked is not None and most is not None and asked > most:
        notes.add(f"max_tokens is {most:,}, the most that {model} can")
        asked = most
    return {name: asked}


def _sampling(request: ChatRequest, model: str, notes: Notes) -> dict[str, Json]:
    if request.top_k is not None:
        notes.add("top_k has no counterpart")
    given = {"temperature": request.temperature, "top_p": request.top_p, **request.sampling}
    if not model_facts.is_newer_openai(model):
        return given
    if any(value not in (None, 1.0) for value in (request.temperature, request.top_p)):
        notes.add(f"temperature and top_p are left out: {model} takes none")
    return dict(request.sampling)


def _stop(request: ChatRequest, notes: Notes) -> Json:
    if len(request.stop) > _MOST_STOPS:
        notes.add("only the first four stop sequences are sent: there may be no more")
    return list(request.stop[:_MOST_STOPS]) or None


def _joined(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))
