"""Requests of Anthropic's Messages, as Claude Code sends them.

https://platform.claude.com/docs/en/api/messages (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from llmitm.calls import Json
from llmitm.providers.fields import count, filled, flag, items, mapping, text
from llmitm.translate import efforts, failures, seals, tool_ids
from llmitm.translate.chat import (
    ChatRequest,
    Effort,
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
from llmitm.translate.clients.anthropic_messages_answer import MessageWriter
from llmitm.translate.clients.fields import Body, listed, named, stops
from llmitm.translate.failures import Failure
from llmitm.translate.sides import Answering, AnswerWriter, Client, Notes, Untranslatable
from llmitm.translate.tool_names import ClientTool, ToolNames, outward
from llmitm.wire.jsontext import compact

_BILLING = "x-anthropic-billing-header:"
"""What Claude Code puts before its system prompt: another text in every call, meant for Anthropic alone."""
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SERVER_BLOCKS = frozenset({"server_tool_use", "mcp_tool_use", "mcp_tool_result"})
_HARMLESS = ("cache_control", "diagnostics", "service_tier", "context_management", "betas")


class AnthropicMessagesClient(Client):
    """A client of Anthropic's Messages."""

    dialect = "anthropic_messages"
    request_id_header = "request-id"

    def __init__(self) -> None:
        self._names = ToolNames()

    def read(self, document: Json, notes: Notes) -> ChatRequest:
        """Read a request."""
        body = Body(document)
        body.take("model")
        body.refuse("container", "mcp_servers")
        choice = mapping(body.take("tool_choice"))
        thinking = mapping(body.take("thinking"))
        output = mapping(body.take("output_config"))
        legacy_format = body.take("output_format")
        serial = choice.get("disable_parallel_tool_use")
        request = ChatRequest(
            system=tuple(_system(body.take("system"), notes)),
            turns=tuple(self._turns(listed(body.take("messages"), "messages"), notes)),
            tools=tuple(self._tools(body.take("tools"), notes)),
            tool_choice=_choice(choice),
            parallel_tool_calls=not serial if isinstance(serial, bool) else None,
            max_tokens=body.count("max_tokens"),
            temperature=body.number("temperature"),
            top_p=body.number("top_p"),
            top_k=body.count("top_k"),
            stop=stops(body.take("stop_sequences")),
            response_format=_format(output.get("format") or legacy_format),
            effort=_effort(thinking, output),
            thinking_budget=count(thinking.get("budget_tokens")),
            streaming=flag(body.take("stream")),
            user=filled(mapping(body.take("metadata")).get("user_id")),
        )
        body.note_rest(notes, _HARMLESS)
        return request

    def writer(self, answering: Answering) -> AnswerWriter:
        """Return a writer of a message."""
        return MessageWriter(answering, self._names)

    def error(self, failure: Failure) -> Json:
        """Return an error body."""
        return failures.anthropic(failure)

    def _tools(self, value: Json, notes: Notes) -> Iterator[Tool]:
        for tool in listed(value or [], "tools"):
            kind = tool.get("type")
            if kind not in (None, "custom"):
                notes.add(f"tool {tool.get('name') or kind} is left out: only Anthropic has it")
                continue
            yield Tool(
                self._names.offer(ClientTool(named(tool))),
                text(tool.get("description")),
                mapping(tool.get("input_schema")),
                tool.get("strict") is True,
            )

    def _turns(self, messages: list[dict[str, Json]], notes: Notes) -> Iterator[Turn]:
        for message in messages:
            role = message.get("role")
            if role not in ("user", "assistant", "system"):
                raise Untranslatable(f"a message of the role {role!r}")
            parts = tuple(self._parts(message.get("content"), notes))
            if parts:
                yield Turn(role, parts)

    def _parts(self, content: Json, notes: Notes) -> Iterator[Part]:
        if isinstance(content, str):
            yield Text(content)
            return
        for block in listed(content, "content"):
            part = self._part(block, notes)
            if part is not None:
                yield part

    def _part(self, block: dict[str, Json], notes: Notes) -> Part | None:
        match block.get("type"):
            case "tool_use":
                return _tool_use(block)
            case "tool_result":
                identifier, _ = tool_ids.unsealed(text(block.get("tool_use_id")) or "")
                parts = tuple(_result_parts(block.get("content"), notes))
                return ToolResult(identifier, parts, block.get("is_error") is True)
            case "thinking":
                return _thinking(block)
            case "redacted_thinking":
                return Reasoning("", redacted=text(block.get("data")))
            case _:
                return _shown(block, notes)


def _tool_use(block: dict[str, Json]) -> ToolUse:
    identifier, signature = tool_ids.unsealed(text(block.get("id")) or "")
    arguments = compact(mapping(block.get("input")))
    return ToolUse(identifier, outward(named(block)), arguments, signature)


def _system(value: Json, notes: Notes) -> Iterator[Text]:
    blocks = [{"text": value}] if isinstance(value, str) else items(value)
    for block in map(mapping, blocks):
        written = text(block.get("text")) or ""
        if written.startswith(_BILLING):
            notes.add("the billing line of Claude Code's system prompt is left out")
        elif written:
            yield Text(written)


def _shown(block: dict[str, Json], notes: Notes) -> Part | None:
    """Return a part that is no call and no thought."""
    kind = str(block.get("type"))
    match kind:
        case "text":
            return Text(text(block.get("text")) or "")
        case "image" | "document":
            return _media(kind, block)
        case "search_result":
            heading = f"{block.get('title') or ''} ({block.get('source') or ''})"
            found = [text(mapping(p).get("text")) or "" for p in items(block.get("content"))]
            return Text("\n".join([heading, *found]))
    if kind in _SERVER_BLOCKS or kind.endswith("_tool_result"):
        notes.add(f"{kind} of an earlier turn is left out: only Anthropic has it")
        return None
    raise Untranslatable(f"a content block of the type {kind!r}")


def _media(kind: str, block: dict[str, Json]) -> Part:
    source = mapping(block.get("source"))
    name = filled(block.get("title"))
    what: Literal["image", "document"] = "image" if kind == "image" else "document"
    match source.get("type"):
        case "base64":
            return Media(what, text(source.get("media_type")), text(source.get("data")), name=name)
        case "url":
            return Media(what, url=text(source.get("url")), name=name)
        case "text":
            return Text("\n".join(filter(None, (name, text(source.get("data"))))))
        case "content" if isinstance(source.get("content"), str):
            return Text(source["content"])
    raise Untranslatable(f"{kind} whose source is of the type {source.get('type')!r}")


def _result_parts(content: Json, notes: Notes) -> Iterator[Text | Media]:
    if isinstance(content, str):
        yield Text(content)
        return
    for block in listed(content or [], "content of a tool_result"):
        if block.get("type") == "tool_reference":
            notes.add("tool_reference has no counterpart")
            continue
        part = _shown(block, notes)
        if isinstance(part, Text | Media):
            yield part


def _thinking(block: dict[str, Json]) -> Reasoning:
    thought, signature = text(block.get("thinking")) or "", filled(block.get("signature"))
    sealed = seals.unseal(signature) if signature else None
    if sealed is not None:  # it came from elsewhere, in our own answer
        return Reasoning(thought, encrypted=sealed.get("encrypted"), item_id=sealed.get("item"))
    return Reasoning(thought, signature=signature)


def _choice(choice: dict[str, Json]) -> ToolChoice | None:
    kind = text(choice.get("type"))
    if kind == "tool":
        return ToolChoice("one", named(choice))
    mode = _CHOICES.get(kind or "")
    return ToolChoice(mode) if mode else None  # type: ignore[arg-type]


def _format(value: Json) -> ResponseFormat | None:
    form = mapping(value)
    if form.get("type") != "json_schema":
        return None
    return ResponseFormat(mapping(form.get("schema")), strict=True)


def _effort(thinking: dict[str, Json], output: dict[str, Json]) -> Effort | None:
    kind = thinking.get("type")
    if kind == "disabled":
        return "none"
    if (effort := efforts.read(output.get("effort"))) is not None:
        return effort
    budget = count(thinking.get("budget_tokens"))
    if kind == "enabled" and budget is not None:
        return efforts.of_tokens(budget)
    return None
