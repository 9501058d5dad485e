"""Requests to Bedrock's Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from llmitm.calls import Json
from llmitm.providers.fields import mapping
from llmitm.translate import anthropic_options, model_facts, tool_ids, turns
from llmitm.translate.anthropic_options import AnthropicOptions
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
from llmitm.translate.providers.bedrock_converse_answer import ConverseReader
from llmitm.translate.providers.fields import left_out, tool_schema
from llmitm.translate.sides import AnswerReader, Notes, Outgoing, Provider, Untranslatable
from llmitm.wire import jsontext

_EVENT_STREAM = "application/vnd.amazon.eventstream"
_PICTURES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_ANY_OBJECT: dict[str, Json] = {"type": "object", "properties": {}}


class BedrockConverseProvider(Provider):
    """A provider of Converse."""

    dialect = "bedrock_converse"

    def write(self, request: ChatRequest, model: str, notes: Notes) -> Outgoing:
        """Write a request."""
        spoken = turns.alternating(request.turns, notes)
        is_claude = model_facts.claude_version(model) is not None
        options = _options(request, spoken, model, notes)
        body: dict[str, Json] = {"messages": [_message(turn, is_claude, notes) for turn in spoken]}
        system: list[Json] = [{"text": text.text} for text in request.system]
        if options.instructions:
            system.append({"text": options.instructions})
        if system:
            body["system"] = system
        inference = {
            "maxTokens": options.max_tokens if is_claude else request.max_tokens,
            "temperature": options.temperature,
            "topP": options.top_p,
            "stopSequences": list(request.stop) or None,
        }
        body["inferenceConfig"] = {k: v for k, v in inference.items() if v is not None}
        if tools := _tool_config(request, spoken, notes):
            body["toolConfig"] = tools
            if is_claude:
                _mark_for_cache(body)
        more = {
            "top_k": options.top_k,
            "thinking": options.thinking,
            "output_config": options.output,
        }
        if found := {name: value for name, value in more.items() if value is not None}:
            body["additionalModelRequestFields"] = found
        if request.user:
            notes.add("the user's name has no counterpart")
        left_out(request.sampling, request.extras, notes)
        operation = "converse-stream" if request.streaming else "converse"
        accepted = _EVENT_STREAM if request.streaming else "application/json"
        return Outgoing(f"/model/{quote(model, safe='')}/{operation}", body, [("accept", accepted)])

    def reader(self) -> AnswerReader:
        """Return a reader of a message."""
        return ConverseReader()


def _options(
    request: ChatRequest, spoken: Sequence[Turn], model: str, notes: Notes
) -> AnthropicOptions:
    """Return the options; of models that are not Anthropic's nothing is known but what Converse itself has."""
    options = anthropic_options.choose(request, spoken, model, notes)
    if model_facts.claude_version(model) is None:
        if request.effort not in (None, "none"):
            notes.add("reasoning effort is left out: only Anthropic's models take it here")
        if request.top_k is not None:
            notes.add("top_k is left out: only Anthropic's models take it here")
        options.temperature, options.top_p = request.temperature, request.top_p
        options.thinking = options.top_k = options.output = None
    return options


def _message(turn: Turn, is_claude: bool, notes: Notes) -> Json:
    blocks = [block for part in turn.parts if (block := _block(part, is_claude, notes))]
    return {"role": turn.role, "content": blocks or [{"text": "(empty)"}]}


def _block(part: Part, is_claude: bool, notes: Notes) -> Json:
    match part:
        case Text(text):
            return {"text": text}
        case Media():
            return _media(part)
        case ToolUse():
            arguments = mapping(jsontext.parse_or_none(part.arguments or "{}"))
            identifier = tool_ids.fitting(part.id)
            return {"toolUse": {"toolUseId": identifier, "name": part.name, "input": arguments}}
        case ToolResult():
            return _result(part)
        case Reasoning():
            return _thinking(part, is_claude, notes)


def _media(media: Media) -> Json:
    if media.data is None:
        raise Untranslatable(f"{_article(media)} by URL, which Converse does not fetch")
    formats = _PICTURES if media.kind == "image" else _DOCUMENTS
    form = formats.get(media.media_type or "")
    if form is None:
        raise Untranslatable(f"{_article(media)} of the type {media.media_type!r}")
    block: dict[str, Json] = {"format": form, "source": {"bytes": media.data}}
    if media.kind == "document":
        bare = "".join(c if c.isascii() and c.isalnum() else " " for c in media.name or "")
        block["name"] = " ".join(bare.split())[:200] or "document"
    return {media.kind: block}


def _article(media: Media) -> str:
    return "an image" if media.kind == "image" else "a document"


def _result(result: ToolResult) -> Json:
    content = [
        {"text": part.text} if isinstance(part, Text) else _media(part)
        for part in result.parts
        if not isinstance(part, Text) or part.text.strip()
    ]
    written: dict[str, Json] = {
        "toolUseId": tool_ids.fitting(result.id),
        "content": content or [{"text": "(no output)"}],
    }
    if result.is_error:
        written["status"] = "error"
    return {"toolResult": written}


def _thinking(reasoning: Reasoning, is_claude: bool, notes: Notes) -> Json:
    if is_claude and reasoning.redacted is not None:
        return {"reasoningContent": {"redactedContent": reasoning.redacted}}
    if not is_claude or reasoning.signature is None:
        notes.add("reasoning of earlier turns is left out: it is not the model's")
        return None
    text = {"text": reasoning.text, "signature": reasoning.signature}
    return {"reasoningContent": {"reasoningText": text}}


def _tool_config(request: ChatRequest, spoken: Sequence[Turn], notes: Notes) -> Json:
    choice, tools = request.tool_choice, request.tools
    if not tools and turns.has_tools(spoken):
        # Converse wants every tool defined that was ever called.
        notes.add("tools of earlier calls are offered again, which Converse asks for")
        names = turns.tool_names(spoken) or ["unnamed"]
        tools = tuple(Tool(name, None, _ANY_OBJECT) for name in names)
    if not tools:
        return None
    if request.parallel_tool_calls is False:
        notes.add("parallel_tool_calls has no counterpart")
    config: dict[str, Json] = {"tools": [_tool(tool) for tool in tools]}
    match choice.mode if choice else None:
        case "one" if choice:
            config["toolChoice"] = {"tool": {"name": choice.name}}
        case "required":
            config["toolChoice"] = {"any": {}}
        case "auto":
            config["toolChoice"] = {"auto": {}}
        case "none":
            notes.add("tool_choice none has no counterpart: the model may call a tool")
    return config


def _tool(tool: Tool) -> Json:
    written: dict[str, Json] = {"name": tool.name, "inputSchema": {"json": tool_schema(tool)}}
    if tool.description:
        written["description"] = tool.description
    return {"toolSpec": written}


def _mark_for_cache(body: dict[str, Json]) -> None:
    """Have the prompt cached, as other providers do unasked: an agent sends it again in every call."""
    point = {"cachePoint": {"type": "default"}}
    (body.get("system") or body["toolConfig"]["tools"]).append(point)
    body["messages"][-1]["content"].append(point)
