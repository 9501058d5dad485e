"""Requests of OpenAI's chat completions.

https://platform.openai.com/docs/api-reference/chat (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers.fields import filled, flag, items, mapping, text
from llmitm.translate import efforts, failures, media, seals, tool_ids
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
from llmitm.translate.clients.fields import Body, listed, named, stops, system_first, words
from llmitm.translate.clients.freeform import as_arguments, as_function
from llmitm.translate.clients.openai_chat_answer import ChunkWriter
from llmitm.translate.failures import Failure
from llmitm.translate.sides import Answering, AnswerWriter, Client, Notes, Untranslatable
from llmitm.translate.tool_names import ClientTool, ToolNames, outward

_SAMPLING = ("seed", "frequency_penalty", "presence_penalty", "logit_bias")
_EXTRAS = ("prompt_cache_key", "service_tier", "store", "metadata", "verbosity")
_HARMLESS = ("stream_options", "n", "modalities", "prompt_cache_retention")


class OpenAIChatClient(Client):
    """A client of chat completions."""

    dialect = "openai_chat"
    ending = b"data: [DONE]\n\n"
    request_id_header = "x-request-id"

    def __init__(self) -> None:
        self._names = ToolNames()
        self._wants_usage = False

    def read(self, document: Json, notes: Notes) -> ChatRequest:
        """Read a request."""
        body = Body(document)
        body.take("model")
        _refuse(body)
        options = mapping(mapping(document).get("stream_options"))
        self._wants_usage = options.get("include_usage") is True
        tools = tuple(self._tools(body, notes))
        system, turns = system_first(self._turns(listed(body.take("messages"), "messages"), notes))
        users = [filled(body.take(name)) for name in ("user", "safety_identifier")]
        request = ChatRequest(
            system=system,
            turns=turns,
            tools=tools,
            tool_choice=_choice(body.take("tool_choice") or body.take("function_call")),
            parallel_tool_calls=body.flag("parallel_tool_calls"),
            max_tokens=body.count("max_completion_tokens", "max_tokens"),
            temperature=body.number("temperature"),
            top_p=body.number("top_p"),
            top_k=body.count("top_k"),
            stop=stops(body.take("stop")),
            response_format=_format(mapping(body.take("response_format"))),
            effort=efforts.read(body.take("reasoning_effort")),
            streaming=flag(body.take("stream")),
            user=next((user for user in users if user), None),
            sampling=_present(body, _SAMPLING),
            extras=_present(body, _EXTRAS),
        )
        body.note_rest(notes, _HARMLESS)
        return request

    def writer(self, answering: Answering) -> AnswerWriter:
        """Return a writer of a completion."""
        wants_usage = self._wants_usage or not answering.streaming
        return ChunkWriter(answering, self._names, wants_usage)

    def error(self, failure: Failure) -> Json:
        """Return an error body."""
        return {"error": failures.openai(failure)}

    def _tools(self, body: Body, notes: Notes) -> Iterator[Tool]:
        for function in listed(body.take("functions") or [], "functions"):
            yield self._function(function)
        for tool in listed(body.take("tools") or [], "tools"):
            match tool.get("type"):
                case "function":
                    yield self._function(mapping(tool.get("function")))
                case "custom":
                    custom = mapping(tool.get("custom"))
                    name = self._names.offer(ClientTool(named(custom), is_freeform=True))
                    yield as_function(name, custom)
                case kind:
                    notes.add(f"tool {kind} is left out: only OpenAI has it")

    def _function(self, function: dict[str, Json]) -> Tool:
        return Tool(
            self._names.offer(ClientTool(named(function))),
            text(function.get("description")),
            mapping(function.get("parameters")),
            function.get("strict") is True,
        )

    def _turns(self, messages: list[dict[str, Json]], notes: Notes) -> Iterator[Turn]:
        for message in messages:
            match message.get("role"):
                case "system" | "developer":
                    yield Turn("system", (Text(words(message.get("content"))),))
                case "user":
                    yield Turn("user", tuple(_parts(message.get("content"))))
                case "assistant":
                    yield Turn("assistant", tuple(_assistant(message)))
                case "tool" | "function":
                    yield Turn("user", (_result(message),))
                case role:
                    raise Untranslatable(f"a message of the role {role!r}")


def _refuse(body: Body) -> None:
    if body.take("n") not in (None, 1):
        raise Untranslatable("n: more than one choice")
    if "audio" in items(body.take("modalities")):
        raise Untranslatable("modalities: an answer as audio")
    body.refuse("audio", "prediction", "logprobs", "top_logprobs")


def _present(body: Body, names: tuple[str, ...]) -> dict[str, Json]:
    found = {name: body.take(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _parts(content: Json) -> Iterator[Text | Media]:
    if isinstance(content, str):
        yield Text(content)
        return
    for part in listed(content or [], "content"):
        yield _part(part)


def _part(part: dict[str, Json]) -> Text | Media:
    match part.get("type"):
        case "text":
            return Text(text(part.get("text")) or "")
        case "refusal":
            return Text(text(part.get("refusal")) or "")
        case "image_url":
            image = part.get("image_url")
            url = image if isinstance(image, str) else mapping(image).get("url")
            return media.image(str(url), filled(mapping(image).get("detail")))
        case "file" if data := filled(mapping(part.get("file")).get("file_data")):
            return media.document(data, filled(mapping(part.get("file")).get("filename")))
        case "file":
            raise Untranslatable("a file by its id, which only its provider knows")
        case kind:
            raise Untranslatable(f"a content part of the type {kind!r}")


def _assistant(message: dict[str, Json]) -> Iterator[Part]:
    yield from _reasoning(message)
    content = message.get("content")
    for part in items(content):
        if mapping(part).get("type") == "thinking":  # Mistral's
            yield Reasoning(words(part.get("thinking")))
    yield from _parts(
        [part for part in content if mapping(part).get("type") != "thinking"]
        if isinstance(content, list)
        else content
    )
    if refusal := filled(message.get("refusal")):
        yield Text(refusal)
    for call in map(mapping, items(message.get("tool_calls"))):
        identifier, signature = tool_ids.unsealed(text(call.get("id")) or "")
        custom = mapping(call.get("custom"))
        if custom:
            arguments = as_arguments(text(custom.get("input")) or "")
            yield ToolUse(identifier, outward(named(custom)), arguments, signature)
        else:
            function = mapping(call.get("function"))
            arguments = text(function.get("arguments")) or "{}"
            yield ToolUse(identifier, outward(named(function)), arguments, signature)
    legacy = mapping(message.get("function_call"))
    if legacy:
        name = named(legacy)
        yield ToolUse(f"call_{name}", outward(name), text(legacy.get("arguments")) or "{}")


def _reasoning(message: dict[str, Json]) -> Iterator[Part]:
    """Return earlier thinking: signed, where the client kept what we gave it."""
    details = [mapping(each) for each in items(message.get("reasoning_details"))]
    for detail in details:
        if detail.get("type") == "reasoning.encrypted":
            data = text(detail.get("data")) or ""
            sealed = seals.unseal(data)
            if sealed is None:
                yield Reasoning("", redacted=data)
            else:
                yield Reasoning("", encrypted=sealed.get("encrypted"), item_id=sealed.get("item"))
        else:
            yield Reasoning(text(detail.get("text")) or "", filled(detail.get("signature")))
    if not details and (thought := filled(message.get("reasoning_content"))):
        yield Reasoning(thought)


def _result(message: dict[str, Json]) -> ToolResult:
    if message.get("role") == "function":
        identifier = f"call_{message.get('name')}"
    else:
        identifier, _ = tool_ids.unsealed(text(message.get("tool_call_id")) or "")
    return ToolResult(identifier, tuple(_parts(message.get("content"))))


def _choice(choice: Json) -> ToolChoice | None:
    if choice in ("auto", "none", "required"):
        return ToolChoice(choice)
    body = mapping(choice)
    match body.get("type"):
        case "allowed_tools":
            mode = mapping(body.get("allowed_tools")).get("mode")
            return ToolChoice("required" if mode == "required" else "auto")
        case "function" | "custom" | None if body:
            kind = mapping(body.get("function")) or mapping(body.get("custom")) or body
            return ToolChoice("one", outward(named(kind)))
    return None


def _format(form: dict[str, Json]) -> ResponseFormat | None:
    match form.get("type"):
        case "json_object":
            return ResponseFormat()
        case "json_schema":
            inside = mapping(form.get("json_schema"))
            name = filled(inside.get("name")) or "answer"
            return ResponseFormat(mapping(inside.get("schema")), name, inside.get("strict") is True)
    return None
