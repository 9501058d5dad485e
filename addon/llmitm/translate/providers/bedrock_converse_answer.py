"""Answers of Bedrock's Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers import bedrock_usage
from llmitm.providers.bedrock_message_stream import EVENTS
from llmitm.providers.fields import count, filled, items, mapping, text
from llmitm.translate import failures
from llmitm.translate.events import (
    Counted,
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
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "content_filtered": "refusal",
    "guardrail_intervened": "refusal",
}


class ConverseReader(AnswerReader):
    """Read a message event by event."""

    def __init__(self) -> None:
        self._thinking: set[int] = set()
        """Blocks of thinking that nothing has signed yet."""
        self._tools: dict[int, bool] = {}
        """Calls of tools that are open, and whether any of their arguments has come."""

    def add(self, payload: Json, event: str | None) -> Iterator[Event]:
        """Take one event, named by its frame."""
        body = mapping(payload)
        if event == "error":
            yield Failed(failures.of_event(payload))
        elif event in EVENTS:
            yield from self._event(event, body)

    def whole(self, document: Json) -> Iterator[Event]:
        """Take a whole message."""
        body = mapping(document)
        yield Started()
        content = mapping(mapping(body.get("output")).get("message")).get("content")
        for index, block in enumerate(map(mapping, items(content))):
            yield from self._block(index, block)
            yield from self._stop(index)
        yield from self._end(body)
        yield from self._count(body)

    def _event(self, event: str, body: dict[str, Json]) -> Iterator[Event]:
        index = count(body.get("contentBlockIndex")) or 0
        match event:
            case "messageStart":
                yield Started()
            case "contentBlockStart":
                yield from self._block(index, mapping(body.get("start")))
            case "contentBlockDelta":
                yield from self._delta(index, mapping(body.get("delta")))
            case "contentBlockStop":
                yield from self._stop(index)
            case "messageStop":
                yield from self._end(body)
            case "metadata":
                yield from self._count(body)

    def _block(self, index: int, block: dict[str, Json]) -> Iterator[Event]:
        """Take a block that is whole, or what is known of one at its start."""
        call = mapping(block.get("toolUse"))
        # Others the provider runs itself: Nova's code interpreter.
        if (name := filled(call.get("name"))) and call.get("type") != "server_tool_use":
            identifier = filled(call.get("toolUseId")) or call_id(None, index)
            self._tools[index] = False
            yield ToolStarted(index, identifier, name)
            if call.get("input"):
                self._tools[index] = True
                yield ToolDelta(index, compact(call["input"]))
        reasoning = mapping(block.get("reasoningContent"))
        inside = mapping(reasoning.get("reasoningText"))
        yield from self._delta(index, {"text": block.get("text"), "reasoningContent": inside})
        if redacted := filled(reasoning.get("redactedContent")):
            yield ReasoningEnded(redacted=redacted)
        for part in items(mapping(block.get("citationsContent")).get("content")):
            yield from self._delta(index, {"text": mapping(part).get("text")})

    def _delta(self, index: int, delta: dict[str, Json]) -> Iterator[Event]:
        if written := filled(delta.get("text")):
            yield TextDelta(written)
        if (piece := filled(mapping(delta.get("toolUse")).get("input"))) and index in self._tools:
            self._tools[index] = True
            yield ToolDelta(index, piece)
        reasoning = mapping(delta.get("reasoningContent"))
        if thought := filled(reasoning.get("text")):
            self._thinking.add(index)
            yield ReasoningDelta(thought)
        if signature := filled(reasoning.get("signature")):
            self._thinking.discard(index)
            yield ReasoningEnded(signature=signature)
        if redacted := filled(reasoning.get("redactedContent")):
            yield ReasoningEnded(redacted=redacted)

    def _stop(self, index: int) -> Iterator[Event]:
        if index in self._thinking:
            self._thinking.discard(index)
            yield ReasoningEnded()
        if index in self._tools:
            if not self._tools.pop(index):
                yield ToolDelta(index, "{}")
            yield ToolEnded(index)

    def _end(self, body: dict[str, Json]) -> Iterator[Event]:
        if (reason := text(body.get("stopReason"))) is not None:
            yield Finished(_REASONS.get(reason, "stop"))

    def _count(self, body: dict[str, Json]) -> Iterator[Event]:
        usage = mapping(body.get("usage"))
        counted = bedrock_usage.from_usage(usage).usage(usage.get("cacheDetails"))
        if counted.source != "none":
            yield Counted(counted)
