"""Answers of chat completions, with what those who copy them do differently.

https://platform.openai.com/docs/api-reference/chat-streaming (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers import openai_usage
from llmitm.providers.fields import count, filled, first, items, mapping, text
from llmitm.translate import failures
from llmitm.translate.events import (
    Counted,
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from llmitm.translate.providers.fields import call_id
from llmitm.translate.sides import AnswerReader
from llmitm.wire import jsontext
from llmitm.wire.jsontext import compact

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


class _Call:
    """A call of a tool that is open."""

    def __init__(self, index: int, identifier: str | None, name: str) -> None:
        self.index = index
        self.identifier = identifier
        self.name = name
        self.pieces: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Return whether its arguments are JSON by now."""
        return jsontext.parse_or_none("".join(self.pieces)) is not None


class ChunkReader(AnswerReader):
    """Read a completion chunk by chunk; of several choices the first."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._is_started = False
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}
        """Calls that may still grow, by their own index."""
        self._by_position: dict[int, _Call] = {}
        """The newest call at each index that the provider gave."""
        self._finish: FinishReason | None = None

    def add(self, payload: Json, event: str | None) -> Iterator[Event]:
        """Take one chunk."""
        body = mapping(payload)
        if body.get("error") or event == "error":
            yield Failed(failures.of_event(payload))
            return
        if not self._is_started and (body.get("choices") or body.get("id")):
            self._is_started = True
            self._id = filled(body.get("id"))
            yield Started(self._id, filled(body.get("model")), count(body.get("created")) or None)
        choices = [mapping(choice) for choice in items(body.get("choices"))]
        choice = next((c for c in choices if not c.get("index")), {})
        yield from self._message(mapping(choice.get("delta")) or mapping(choice.get("message")))
        if reason := filled(choice.get("finish_reason")):
            self._finish = _REASONS.get(reason, "stop")
        usage = body.get("usage") or mapping(body.get("x_groq")).get("usage") or choice.get("usage")
        counted, _ = openai_usage.read(usage)
        if counted.source != "none":
            yield Counted(counted)

    def whole(self, document: Json) -> Iterator[Event]:
        """Take a whole completion, whose end some hosts give no reason for."""
        body = mapping(document)
        choice = first(body.get("choices"))
        chunk = {**choice, "index": 0, "delta": choice.get("message")}
        yield from self.add({**body, "choices": [chunk]}, None)
        if choice:
            yield from self.done()

    def done(self) -> Iterator[Event]:
        """End a stream that has said `[DONE]`; Snowflake gives no reason before it."""
        if self._is_started:
            self._finish = self._finish or "stop"
        yield from self.close()

    def close(self) -> Iterator[Event]:
        """End the stream."""
        yield from self._end_calls()
        finish, self._finish = self._finish, None
        if finish is not None:
            # Where a tool was forced, OpenAI's models stop with "stop".
            yield Finished("tool_use" if self._calls and finish == "stop" else finish)

    def _message(self, delta: dict[str, Json]) -> Iterator[Event]:
        if (thought := _thought(delta)) is not None:
            yield ReasoningDelta(thought)
        yield from _content(delta.get("content"))
        if refusal := filled(delta.get("refusal")):
            yield TextDelta(refusal, refusal=True)
        for piece in map(mapping, items(delta.get("tool_calls"))):
            yield from self._tool_call(piece)
        legacy = mapping(delta.get("function_call"))
        if legacy:
            yield from self._tool_call({"index": 0, "function": legacy})

    def _tool_call(self, piece: dict[str, Json]) -> Iterator[Event]:
        function = mapping(piece.get("function")) or mapping(piece.get("custom"))
        name, identifier = filled(function.get("name")), filled(piece.get("id"))
        position = count(piece.get("index"))
        call = self._known(position, identifier)
        if name and (call is None or _is_another(call, position, identifier, name)):
            yield from self._end_whole_calls()
            call = _Call(len(self._calls), identifier, name)
            self._calls.append(call)
            self._open[call.index] = call
            if position is not None:
                self._by_position[position] = call
            signature = mapping(mapping(piece.get("extra_content")).get("google"))
            yield ToolStarted(
                call.index,
                identifier or call_id(self._id, call.index),
                name,
                filled(signature.get("thought_signature")),
            )
        if call is not None and call.index in self._open:
            arguments = function.get("arguments", function.get("input"))
            if arguments:
                written = arguments if isinstance(arguments, str) else compact(arguments)
                call.pieces.append(written)
                yield ToolDelta(call.index, written)

    def _known(self, position: int | None, identifier: str | None) -> _Call | None:
        if position is not None:
            return self._by_position.get(position)
        same = (call for call in self._calls if identifier and call.identifier == identifier)
        return next(same, self._calls[-1] if self._calls else None)

    def _end_whole_calls(self) -> Iterator[Event]:
        """End the calls that are whole, now that another begins; others may still grow beside it."""
        for call in list(self._open.values()):
            if call.is_whole:
                del self._open[call.index]
                yield ToolEnded(call.index)

    def _end_calls(self) -> Iterator[Event]:
        for call in self._open.values():
            if not call.pieces:
                yield ToolDelta(call.index, "{}")
            yield ToolEnded(call.index)
        self._open.clear()


def _is_another(call: _Call, position: int | None, identifier: str | None, name: str) -> bool:
    """Return whether a piece that names a tool begins another call. Some hosts give every call the index 0, or none."""
    if identifier is not None:
        return call.identifier != identifier
    return position is None or call.name != name


def _thought(delta: dict[str, Json]) -> str | None:
    """Return thinking under any of its names; Snowflake has it in OpenRouter's details alone."""
    details = (mapping(detail).get("text") for detail in items(delta.get("reasoning_details")))
    named = (delta.get(name) for name in _THOUGHTS)
    return next(filter(None, map(filled, (*named, *details))), None)


def _content(content: Json) -> Iterator[Event]:
    """Return text, which is a list of parts at Mistral, thinking among them."""
    if isinstance(content, str):
        if content:
            yield TextDelta(content)
        return
    if isinstance(content, dict):
        yield TextDelta(compact(content))  # Cloudflare: an object in place of text
        return
    for part in map(mapping, items(content)):
        for thought in items(part.get("thinking")):
            if piece := filled(mapping(thought).get("text")):
                yield ReasoningDelta(piece)
        if part.get("type") in ("text", None) and (written := text(part.get("text"))):
            yield TextDelta(written)
