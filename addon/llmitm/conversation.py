"""Bodies as a conversation to read: who said what, in every dialect, without refusing any.

Nothing is decided by what stands here. What is not known is shown as JSON, so that nothing is hidden.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llmitm.calls import Json

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["text", "thinking", "tool_call", "tool_result", "media", "other"]

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "tool": "tool",
    "function": "tool",
}
_SYSTEM = ("system", "instructions", "preamble", "systemInstruction", "system_instruction")
_SPOKEN = ("messages", "input", "contents", "chat_history", "prompt", "message")
_SAID = frozenset({*_SYSTEM, *_SPOKEN, "tools"})
"""What of a request is no setting."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message."""

    kind: Kind
    text: str
    name: str | None = None
    """Of the tool, or what kind of thing it is."""


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said at once."""

    role: Role
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a request says."""

    messages: Sequence[Message] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    """Tools that are offered: their definitions as JSON, by their names."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What else the request says, as JSON."""


def asked(body: str | None) -> Conversation:
    """Return what a request says; a body that is no JSON object is one message."""
    document = _document(body)
    if document is None:
        return Conversation([Message("user", [Part("text", body)])] if body else ())
    if isinstance(inner := document.get("request"), dict):  # Google's own coding tools
        document = {**{key: value for key, value in document.items() if key != "request"}, **inner}
    settings = {
        key: value if isinstance(value, str) else _json(value)
        for key, value in document.items()
        if key not in _SAID
    }
    return Conversation(messages(document), _tools(document.get("tools")), settings)


def messages(document: Mapping[str, Json]) -> list[Message]:
    """Return what the document of a request says."""
    found = list(_system(document))
    for key in _SPOKEN:
        if key in document:
            found += _turns(document[key])
    return found


def answered(body: str | None) -> list[Message]:
    """Return what a response says."""
    document = _document(body)
    if document is None:
        return [Message("assistant", [Part("text", body)])] if body else []
    for find in _ANSWERS:
        if found := [message for message in find(document) if message.parts]:
            return found
    return [Message("assistant", [Part("other", _json(document), "JSON")])]


def text(message: Message) -> str:
    """Return a message as plain text, for a comparison with another."""
    return "\n".join(
        part.text if part.kind == "text" else f"[{part.kind} {part.name or ''}] {part.text}"
        for part in message.parts
    )


def common(before: Sequence[Message], after: Sequence[Message]) -> int:
    """Return how many messages two conversations have in common from their beginning on."""
    number = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        number += 1
    return number


def _document(body: str | None) -> dict[str, Json] | None:
    try:
        document = json.loads(body or "", strict=False)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _system(document: Mapping[str, Json]) -> Iterator[Message]:
    for key in _SYSTEM:
        if value := document.get(key):
            parts = list(_parts(value))
            if parts:
                yield Message("system", parts)


def _turns(turns: Json) -> Iterator[Message]:
    if not isinstance(turns, list):
        yield Message("user", list(_parts(turns)))
        return
    if turns and all(isinstance(each, int) for each in turns):
        yield Message("user", [Part("other", _json(turns), "tokens")])
        return
    for turn in turns:
        yield from _turn(turn)


def _turn(turn: Json) -> Iterator[Message]:
    if not isinstance(turn, dict):
        yield Message("user", list(_parts(turn)))
        return
    kind = turn.get("type")
    if kind not in (None, "message") and "role" not in turn:  # an item of the Responses API
        part = _item(turn)
        role: Role = "tool" if part.kind == "tool_result" else "assistant"
        yield Message(role, [part])
        return
    role = _ROLES.get(str(turn.get("role", "user")).lower(), "user")
    parts = list(_parts_of_turn(turn))
    if role == "tool":
        name = turn.get("name") or turn.get("tool_call_id")
        parts = [
            Part("tool_result", part.text, str(name) if name else None)
            if part.kind == "text"
            else part
            for part in parts
        ]
    elif parts and all(part.kind == "tool_result" for part in parts):
        role = "tool"
    yield Message(role, parts)


def _parts_of_turn(turn: Mapping[str, Json]) -> Iterator[Part]:
    for key in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(thought := turn.get(key), str) and thought:
            yield Part("thinking", thought)
    for key in ("content", "parts", "message", "text", "refusal"):
        if turn.get(key):
            yield from _parts(turn[key])
    for called in _list(turn.get("tool_calls")):
        function = _inside(called, "function", "custom")
        arguments = function.get("arguments", function.get("parameters", function.get("input")))
        yield Part("tool_call", _arguments(arguments), str(function.get("name", "")))


def _parts(value: Json) -> Iterator[Part]:
    if isinstance(value, str):
        if value:
            yield Part("text", value)
    elif isinstance(value, list):
        for each in value:
            yield from _parts(each)
    elif isinstance(value, dict):
        if "parts" in value and "type" not in value:
            yield from _parts(value["parts"])
        else:
            yield _item(value)
    elif value is not None:
        yield Part("other", _json(value))


def _item(item: Mapping[str, Json]) -> Part:
    """Return a block, part or item of any dialect."""
    kind = str(item.get("type", ""))
    for names, read in _ITEMS:
        if kind in names or (not kind and any(name in item for name in names)):
            return read(item)
    if isinstance(said := item.get("text"), str) and "image" not in kind:
        return Part("thinking" if item.get("thought") is True else "text", said)
    if isinstance(said := item.get("refusal"), str):
        return Part("text", said, "refusal")
    if kind.endswith(("_call", "tool_use")):
        return Part("tool_call", _json(dict(item)), kind)
    if kind.endswith(("_output", "_result")):
        return Part("tool_result", _json(dict(item)), kind)
    return Part("other", _json(dict(item)), kind or None)


def _thought(item: Mapping[str, Json]) -> Part:
    inner = _inside(item, "reasoningContent")
    found = inner.get("thinking") or inner.get("reasoningText") or inner.get("summary") or ""
    said = _plain(found or inner.get("content") or "")
    return Part("thinking", said, None if said else "hidden by the provider")


def _called(item: Mapping[str, Json]) -> Part:
    inner = _inside(item, "toolUse", "functionCall", "function_call")
    arguments = inner.get("input", inner.get("args", inner.get("arguments")))
    return Part("tool_call", _arguments(arguments), str(inner.get("name", "")))


def _result(item: Mapping[str, Json]) -> Part:
    inner = _inside(item, "toolResult", "functionResponse")
    value = inner.get("content", inner.get("output", inner.get("response", "")))
    name = (
        inner.get("name")
        or inner.get("tool_use_id")
        or inner.get("toolUseId")
        or inner.get("call_id")
    )
    said = _plain(value)
    return Part("tool_result", said, str(name) if name else None)


def _media(item: Mapping[str, Json]) -> Part:
    inner = next((value for value in item.values() if isinstance(value, dict)), item)
    kind = (
        inner.get("media_type") or inner.get("mimeType") or inner.get("format") or item.get("type")
    )
    address = (
        inner.get("url") or inner.get("fileUri") or item.get("image_url") or item.get("file_id")
    )
    shown = address if isinstance(address, str) and not address.startswith("data:") else ""
    return Part("media", shown, str(kind or next(iter(item), "media")))


type _Read = Callable[[Mapping[str, Json]], Part]
_ITEMS: Sequence[tuple[frozenset[str], _Read]] = (
    (frozenset({"thinking", "redacted_thinking", "reasoning", "reasoningContent"}), _thought),
    (
        frozenset(
            {
                "tool_use",
                "function_call",
                "custom_tool_call",
                "server_tool_use",
                "toolUse",
                "functionCall",
            }
        ),
        _called,
    ),
    (
        frozenset(
            {
                "tool_result",
                "function_call_output",
                "custom_tool_call_output",
                "toolResult",
                "functionResponse",
            }
        ),
        _result,
    ),
    (
        frozenset(
            {
                "image",
                "image_url",
                "input_image",
                "input_audio",
                "input_file",
                "document",
                "file",
                "audio",
                "video",
            }
            | {"inlineData", "inline_data", "fileData", "file_data"}
        ),
        _media,
    ),
)


def _plain(value: Json) -> str:
    """Return the text of a value that may be nested; JSON where it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_plain, value)))
    if isinstance(value, dict):
        if isinstance(said := value.get("text"), str):
            return said
        return _json(value.get("json", value))
    return "" if value is None else _json(value)


def _arguments(value: Json) -> str:
    """Return arguments of a tool, indented where they are JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    return "" if value is None else _json(value)


def _tools(tools: Json) -> dict[str, str]:
    found: dict[str, str] = {}
    for tool in _list(tools):
        declared = tool.get("functionDeclarations") or tool.get("function_declarations") or [tool]
        for each in _list(declared):
            inner = _inside(each, "function", "toolSpec")
            name = inner.get("name") or inner.get("type") or f"tool {len(found) + 1}"
            found[str(name)] = _json(each)
    return found


def _of_choices(document: Mapping[str, Json]) -> Iterator[Message]:
    for choice in _list(document.get("choices")):
        yield Message("assistant", list(_parts_of_turn(_inside(choice, "message"))))


def _of_output(document: Mapping[str, Json]) -> Iterator[Message]:
    output = document.get("output")
    if isinstance(output, dict) and isinstance(output.get("message"), dict):  # Bedrock Converse
        yield from _turn(output["message"])
        return
    for item in _list(output):
        yield from _turn(item)


def _of_content(document: Mapping[str, Json]) -> Iterator[Message]:
    if isinstance(document.get("content"), list | str):
        yield Message("assistant", list(_parts(document["content"])))


def _of_candidates(document: Mapping[str, Json]) -> Iterator[Message]:
    for candidate in _list(document.get("candidates")):
        yield Message("assistant", list(_parts(candidate.get("content"))))


def _of_message(document: Mapping[str, Json]) -> Iterator[Message]:
    if isinstance(message := document.get("message"), dict):  # Cohere, Ollama
        yield Message("assistant", list(_parts_of_turn(message)))
    for key in ("text", "response", "completion", "generated_text"):
        if isinstance(said := document.get(key), str) and said:
            yield Message("assistant", [Part("text", said)])


_ANSWERS = (_of_choices, _of_output, _of_content, _of_candidates, _of_message)


def _inside(item: Mapping[str, Json], *names: str) -> Mapping[str, Json]:
    """Return the object that one of these keys holds; the item itself where none does."""
    return next((item[name] for name in names if isinstance(item.get(name), dict)), item)


def _list(value: Json) -> list[dict[str, Json]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
