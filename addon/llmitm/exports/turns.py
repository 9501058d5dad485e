"""What was said in a request, turn by turn, in whichever dialect it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from llmitm.calls import Json
from llmitm.providers.fields import filled, mapping
from llmitm.wire import jsontext

Kind = Literal["text", "call", "result", "media"]

_TURNS = ("messages", "input", "contents")
"""Where chat dialects have the conversation: OpenAI and Anthropic, Responses, Gemini."""
_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_TEXTS = ("text", "content", "output", "refusal", "thinking", "transcript")
_CALLS = ("tool_use", "function_call", "custom_tool_call", "functionCall", "toolUse")
_RESULTS = (
    "tool_result",
    "function_call_output",
    "custom_tool_call_output",
    "functionResponse",
    "toolResult",
)
_MOST_DEPTH = 6


class Turn(NamedTuple):
    """A piece of a conversation."""

    role: str
    kind: Kind
    text: str


def asked(body: str | None) -> list[Turn]:
    """Return the turns of a request's body; one that is no conversation is a turn of its own."""
    if body is None:
        return []
    document = jsontext.parse_or_none(body.encode("utf-8", "surrogatepass"))
    found = mapping(document)
    conversation = next((found[name] for name in _TURNS if found.get(name)), None)
    if conversation is None:
        prompt = filled(found.get("prompt"))
        return [Turn("user", "text", prompt or body)]
    turns = [turn for name in _SYSTEM if name in found for turn in _turns(found[name], "system", 0)]
    if isinstance(conversation, str):
        return [*turns, Turn("user", "text", conversation)]
    for message in conversation if isinstance(conversation, list) else ():
        turns += _turns(message, "user", 0)
    return turns


def _turns(value: Json, role: str, depth: int) -> Iterator[Turn]:
    """Yield what a message, a block of one, or a list of blocks says."""
    if depth > _MOST_DEPTH or value is None:
        return
    if isinstance(value, str):
        if value:
            yield Turn(role, "text", value)
    elif isinstance(value, list):
        for each in value:
            yield from _turns(each, role, depth + 1)
    elif isinstance(value, dict):
        named = filled(value.get("role")) or role
        yield from _of_object(value, "assistant" if named == "model" else named, depth)


def _of_object(value: dict[str, Json], role: str, depth: int) -> Iterator[Turn]:
    kind = filled(value.get("type")) or next(
        (name for name in (*_CALLS, *_RESULTS) if name in value), ""
    )
    if kind in _CALLS:
        yield _call(value, mapping(value.get(kind)) or value)
        return
    if kind in _RESULTS:
        inner = mapping(value.get(kind)) or value
        content = inner.get("content", inner.get("output", inner.get("response")))
        text = (
            content
            if isinstance(content, str)
            else "\n".join(t.text for t in _turns(content, role, depth + 1))
        )
        yield Turn("tool", "result", text or jsontext.compact(content))
        return
    parts = value.get("parts")
    found = [*_turns(parts, role, depth + 1)] if parts else []
    for name in _TEXTS:
        if not found and value.get(name) is not None:
            found = [*_turns(value[name], role, depth + 1)]
    if role == "tool":
        found = [Turn("tool", "result", turn.text) for turn in found]
    yield from found
    for call in value.get("tool_calls") or ():
        yield _call(mapping(call), mapping(mapping(call).get("function")))
    if not found and kind and kind not in ("message", "text") and not value.get("tool_calls"):
        yield Turn(role, "media", kind)


def _call(outer: dict[str, Json], inner: dict[str, Json]) -> Turn:
    name = filled(inner.get("name")) or filled(outer.get("name")) or "a tool"
    arguments = next(
        (inner[key] for key in ("arguments", "input", "args") if inner.get(key) is not None), ""
    )
    text = arguments if isinstance(arguments, str) else jsontext.compact(arguments)
    return Turn("assistant", "call", f"{name}({text})")


def answered(body: str | None) -> list[Turn]:
    """Return the tools that an answer asks for, with their arguments, as far as the form of the answer is known."""
    if body is None:
        return []
    found = mapping(jsontext.parse_or_none(body.encode("utf-8", "surrogatepass")))
    choices = found.get("choices") or found.get("candidates")
    first = mapping(choices[0]) if isinstance(choices, list) and choices else {}
    places = (
        first.get("message"),
        first.get("content"),
        found.get("content"),
        found.get("output"),
    )
    return [
        turn for place in places for turn in _turns(place, "assistant", 0) if turn.kind == "call"
    ]
