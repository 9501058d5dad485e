"""Answers of Anthropic's Messages.

https://platform.claude.com/docs/en/build-with-claude/streaming (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers import anthropic_message
from llmitm.providers.fields import count, filled, items, mapping, text
from llmitm.translate import failures
from llmitm.translate.events import (
    Counted,
    Done,
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from llmitm.translate.providers.fields import call_id
from llmitm.translate.sides import AnswerReader
from llmitm.wire.jsontext import compact

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "pause_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "refusal": "refusal",
}


class MessageReader(AnswerReader):
    """Read a message event by event."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._usage: dict[str, Json] = {}
        self._kinds: dict[int, str] = {}
        """What the blocks are that are open."""
        self._silent: set[int] = set()
        """Calls of tools of whose arguments nothing has come."""

    def add(self, payload: Json, event: str | None) -> Iterator[Event]:
        """Take one event."""
        body = mapping(payload)
        index = count(body.get("index")) or 0
        match body.get("type"):
            case "message_start":
                yield from self._start(mapping(body.get("message")))
            case "content_block_start":
                yield from self._start_block(index, mapping(body.get("content_block")))
            case "content_block_delta":
                yield from self._delta(index, mapping(body.get("delta")))
            case "content_block_stop":
                yield from self._stop_block(index)
            case "message_delta":
                yield from self._message_delta(mapping(body.get("delta")), body.get("usage"))
            case "message_stop":
                yield Done()
            case "error":
                yield Failed(failures.of_event(body.get("error") or body))

    def whole(self, document: Json) -> Iterator[Event]:
        """Take a whole message."""
        message = mapping(document)
        yield from self._start(message)
        for index, block in enumerate(items(message.get("content"))):
            yield from self._start_block(index, mapping(block))
            yield from self._stop_block(index)
        yield from self._message_delta(message, message.get("usage"))
        yield Done()

    def _start(self, message: dict[str, Json]) -> Iterator[Event]:
        self._id = filled(message.get("id"))
        yield Started(self._id, filled(message.get("model")))
        yield from self._count(message.get("usage"))

    def _start_block(self, index: int, block: dict[str, Json]) -> Iterator[Event]:
        kind = self._kinds[index] = text(block.get("type")) or ""
        match kind:
            case "text" if written := filled(block.get("text")):
                yield TextDelta(written)
            case "thinking":
                if thought := filled(block.get("thinking")):
                    yield ReasoningDelta(thought)
                if signature := filled(block.get("signature")):
                    yield from self._sign(index, signature)
            case "redacted_thinking":
                yield ReasoningEnded(redacted=text(block.get("data")))
            case "tool_use" if name := filled(block.get("name")):
                yield ToolStarted(index, filled(block.get("id")) or call_id(self._id, index), name)
                self._silent.add(index)
                if block.get("input"):
                    yield from self._arguments(index, compact(block["input"]))

    def _delta(self, index: int, delta: dict[str, Json]) -> Iterator[Event]:
        match delta.get("type"):
            case "text_delta" if written := filled(delta.get("text")):
                yield TextDelta(written)
            case "thinking_delta" if thought := filled(delta.get("thinking")):
                yield ReasoningDelta(thought)
            case "signature_delta" if signature := filled(delta.get("signature")):
                yield from self._sign(index, signature)
            case "input_json_delta" if piece := filled(delta.get("partial_json")):
                if self._kinds.get(index) == "tool_use":
                    yield from self._arguments(index, piece)

    def _sign(self, index: int, signature: str) -> Iterator[Event]:
        self._kinds[index] = "signed"
        yield ReasoningEnded(signature=signature)

    def _arguments(self, index: int, piece: str) -> Iterator[Event]:
        self._silent.discard(index)
        yield ToolDelta(index, piece)

    def _stop_block(self, index: int) -> Iterator[Event]:
        match self._kinds.pop(index, None):
            case "tool_use":
                if index in self._silent:
                    yield ToolDelta(index, "{}")  # a call without arguments
                yield ToolEnded(index)
            case "thinking":
                yield ReasoningEnded()

    def _message_delta(self, delta: dict[str, Json], usage: Json) -> Iterator[Event]:
        yield from self._count(usage)
        if (reason := filled(delta.get("stop_reason"))) is not None:
            sequence = filled(delta.get("stop_sequence"))
            yield Finished(_REASONS.get(reason, "stop"), sequence)

    def _count(self, usage: Json) -> Iterator[Event]:
        counts = {key: value for key, value in mapping(usage).items() if value is not None}
        if counts:
            self._usage.update(counts)
            yield Counted(anthropic_message.read_usage(self._usage))
