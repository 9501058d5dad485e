"""Requests of OpenAI's Responses, as Codex sends them.

https://platform.openai.com/docs/api-reference/responses (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers.fields import filled, flag, items, mapping, text
from llmitm.translate import efforts, failures, media, seals, tool_ids
from llmitm.translate.chat import (
    ChatRequest,
    Effort,
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
from llmitm.translate.clients.fields import Body, listed, named, system_first, words
from llmitm.translate.clients.freeform import as_arguments, as_function
from llmitm.translate.clients.openai_responses_answer import ResponseWriter
from llmitm.translate.failures import Failure
from llmitm.translate.sides import Answering, AnswerWriter, Client, Notes, Untranslatable
from llmitm.translate.tool_names import ClientTool, ToolNames, outward

_ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
_EXTRAS = ("prompt_cache_key", "service_tier", "metadata", "safety_identifier")
_HARMLESS = ("store", "include", "client_metadata", "stream_options", "prompt_cache_retention")
_ECHOED = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "reasoning",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
)
"""What a response repeats of its request."""
_SERVER_ITEMS = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "tool_search_call",
        "tool_search_output",
        "compaction_trigger",
    }
)
"""What OpenAI's own tools left in the chat."""


class OpenAIResponsesClient(Client):
    """A client of Responses."""

    dialect = "openai_responses"
    request_id_header = "x-request-id"

    def __init__(self) -> None:
        self._names = ToolNames()
        self._asked: dict[str, Json] = {}

    def read(self, document: Json, notes: Notes) -> ChatRequest:
        """Read a request."""
        self._asked = mapping(document)
        body = Body(document)
        body.take("model")
        body.refuse("previous_response_id", "conversation", "background", "prompt")
        given = body.take("input")
        items_ = [{"role": "user", "content": given}] if isinstance(given, str) else given
        entries = listed(items_ or [], "input")
        form = mapping(body.take("text"))
        reasoning = mapping(body.take("reasoning"))
        tools = [*self._tools(body.take("tools") or [], notes)]
        for entry in entries:
            if entry.get("type") == "additional_tools":
                tools += self._tools(entry.get("tools") or [], notes)
        instructions = text(body.take("instructions"))
        system = [Text(instructions)] if instructions else []
        heard, turns = system_first(_turns(entries, notes))
        updates = [entry for entry in entries if entry.get("type") == "configuration_update"]
        extras = {name: value for name in _EXTRAS if (value := body.take(name)) is not None}
        if (verbosity := form.get("verbosity")) is not None:
            extras["verbosity"] = verbosity
        request = ChatRequest(
            system=(*system, *heard),
            turns=turns,
            tools=tuple(tools),
            tool_choice=_choice(body.take("tool_choice")),
            parallel_tool_calls=body.flag("parallel_tool_calls"),
            max_tokens=body.count("max_output_tokens"),
            temperature=body.number("temperature"),
            top_p=body.number("top_p"),
            response_format=_format(mapping(form.get("format"))),
            effort=_effort(reasoning, updates),
            streaming=flag(body.take("stream")),
            user=filled(body.take("user")),
            extras=extras,
        )
        body.note_rest(notes, _HARMLESS)
        return request

    def writer(self, answering: Answering) -> AnswerWriter:
        """Return a writer of a response."""
        asked = {name: self._asked.get(name) for name in _ECHOED}
        echoed = {name: value for name, value in asked.items() if value is not None}
        return ResponseWriter(answering, self._names, echoed)

    def error(self, failure: Failure) -> Json:
        """Return an error body."""
        return {"error": failures.openai(failure)}

    def _tools(self, value: Json, notes: Notes, namespace: str | None = None) -> Iterator[Tool]:
        for tool in listed(value, "tools"):
            match tool.get("type"):
                case "function":
                    yield Tool(
                        self._names.offer(ClientTool(named(tool), namespace)),
                        text(tool.get("description")),
                        mapping(tool.get("parameters")),
                        tool.get("strict") is True,
                    )
                case "custom":
                    offered = ClientTool(named(tool), namespace, is_freeform=True)
                    yield as_function(self._names.offer(offered), tool)
                case "namespace":
                    yield from self._tools(tool.get("tools") or [], notes, named(tool))
                case kind:
                    notes.add(f"tool {kind} is left out: only OpenAI has it")


def _turns(entries: list[dict[str, Json]], notes: Notes) -> Iterator[Turn]:
    """Return turns; items of one side that follow each other are one, as calls in parallel are."""
    role: Role | None = None
    parts: list[Part] = []
    for entry in entries:
        speaker, said = _item(entry, notes)
        if speaker is None:
            continue
        if speaker != role or speaker == "system":
            if role is not None and parts:
                yield Turn(role, tuple(parts))
            role, parts = speaker, []
        parts += said
    if role is not None and parts:
        yield Turn(role, tuple(parts))


def _item(item: dict[str, Json], notes: Notes) -> tuple[Role | None, list[Part]]:
    kind = item.get("type")
    match kind:
        case "message" | None:
            role = _ROLES.get(str(item.get("role")))
            if role is None:
                raise Untranslatable(f"a message of the role {item.get('role')!r}")
            return role, list(_parts(item.get("content")))
        case "function_call" | "custom_tool_call":
            return "assistant", [_call(item)]
        case "function_call_output" | "custom_tool_call_output":
            identifier, _ = tool_ids.unsealed(text(item.get("call_id")) or "")
            return "user", [ToolResult(identifier, tuple(_parts(item.get("output"))))]
        case "reasoning":
            return "assistant", [_reasoning(item)]
        case "additional_tools" | "configuration_update":
            return None, []
    if str(kind) in _SERVER_ITEMS:
        notes.add(f"{kind} of an earlier turn is left out: only OpenAI has it")
        return None, []
    raise Untranslatable(f"an input item of the type {kind!r}")


def _call(item: dict[str, Json]) -> ToolUse:
    identifier, signature = tool_ids.unsealed(text(item.get("call_id")) or "")
    name = outward(named(item), filled(item.get("namespace")))
    if item.get("type") == "custom_tool_call":
        arguments = as_arguments(text(item.get("input")) or "")
    else:
        arguments = text(item.get("arguments")) or "{}"
    return ToolUse(identifier, name, arguments, signature)


def _reasoning(item: dict[str, Json]) -> Reasoning:
    """Return an item of thinking; what another provider wants back was sealed into it by us."""
    parts = items(item.get("summary")) or items(item.get("content"))
    thought, encrypted = words(parts), filled(item.get("encrypted_content"))
    sealed = seals.unseal(encrypted) if encrypted else None
    if sealed is None:
        return Reasoning(thought, encrypted=encrypted, item_id=filled(item.get("id")))
    return Reasoning(thought, sealed.get("signature"), sealed.get("redacted"))


def _parts(content: Json) -> Iterator[Text | Media]:
    if isinstance(content, str):
        yield Text(content)
        return
    for part in listed(content or [], "content"):
        yield _part(part)


def _part(part: dict[str, Json]) -> Text | Media:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return Text(text(part.get("text")) or "")
        case "refusal":
            return Text(text(part.get("refusal")) or "")
        case "input_image" if url := filled(part.get("image_url")):
            return media.image(url, filled(part.get("detail")))
        case "input_file" if data := filled(part.get("file_data")):
            return media.document(data, filled(part.get("filename")))
        case "input_file" if url := filled(part.get("file_url")):
            return Media("document", url=url, name=filled(part.get("filename")))
        case "input_image" | "input_file":
            raise Untranslatable("a file by its id, which only its provider knows")
        case kind:
            raise Untranslatable(f"a content part of the type {kind!r}")


def _choice(choice: Json) -> ToolChoice | None:
    if choice in ("auto", "none", "required"):
        return ToolChoice(choice)
    body = mapping(choice)
    match body.get("type"):
        case "function" | "custom":
            return ToolChoice("one", outward(named(body), filled(body.get("namespace"))))
        case "allowed_tools":
            return ToolChoice("required" if body.get("mode") == "required" else "auto")
    return None


def _format(form: dict[str, Json]) -> ResponseFormat | None:
    match form.get("type"):
        case "json_object":
            return ResponseFormat()
        case "json_schema":
            name = filled(form.get("name")) or "answer"
            return ResponseFormat(mapping(form.get("schema")), name, form.get("strict") is True)
    return None


def _effort(reasoning: dict[str, Json], updates: list[dict[str, Json]]) -> Effort | None:
    """Return the effort, as the newest update of the configuration has it."""
    told = [reasoning, *(mapping(update.get("reasoning")) for update in updates)]
    efforts_ = [efforts.read(each.get("effort")) for each in told]
    return next((effort for effort in reversed(efforts_) if effort is not None), None)
