"""Answers as Anthropic's Messages stream them.

https://platform.claude.com/docs/en/build-with-claude/streaming (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json, Usage
from llmitm.translate import failures, seals, tool_ids
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
from llmitm.translate.sides import Answering, AnswerWriter, Payload
from llmitm.translate.tool_names import ToolNames

_STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "refusal",
}
_EMPTY: dict[str, Json] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


class MessageWriter(AnswerWriter):
    """Write a message event by event."""

    def __init__(self, answering: Answering, names: ToolNames) -> None:
        self._answering = answering
        self._names = names
        self._is_started = False
        self._next = 0
        self._open: str | None = None
        """The kind of the block of text or thinking that is open; its index is in `_open_index`."""
        self._open_index = 0
        self._tools: dict[int, int] = {}
        """Indexes of the blocks of tool calls that are open, by the calls' own."""
        self._usage = Usage()
        self._finish: Finished | None = None

    def write(self, event: Event) -> Iterator[Payload]:
        """Take one event, return what is sent."""
        match event:
            case Started():
                yield from self._start(event)
            case TextDelta(text):
                yield from self._piece("text", {"type": "text_delta", "text": text})
            case ReasoningDelta(text):
                yield from self._piece("thinking", {"type": "thinking_delta", "thinking": text})
            case ReasoningEnded():
                yield from self._end_reasoning(event)
            case ToolStarted() | ToolDelta() | ToolEnded():
                yield from self._tool(event)
            case Counted(usage):
                self._usage = usage
            case Finished():
                self._finish = event
            case Failed(failure):
                yield Payload("error", failures.anthropic(failure))

    def close(self) -> Iterator[Payload]:
        """End the message."""
        yield from self._start(Started())
        yield from self._close_block()
        for index in self._tools.values():
            yield _event("content_block_stop", index=index)
        self._tools.clear()
        finish = self._finish or Finished("stop")
        delta = {
            "stop_reason": _STOP_REASONS[finish.reason],
            "stop_sequence": finish.stop_sequence,
        }
        yield _event("message_delta", delta=delta, usage=_usage(self._usage))
        yield _event("message_stop")

    def _start(self, event: Started) -> Iterator[Payload]:
        if self._is_started:
            return
        self._is_started = True
        message = {
            "id": event.id or self._answering.id or "msg_unnamed",
            "type": "message",
            "role": "assistant",
            "model": event.model or self._answering.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(self._usage),
        }
        yield _event("message_start", message=message)

    def _piece(self, kind: str, delta: Json) -> Iterator[Payload]:
        if self._open != kind:
            yield from self._open_block(kind, _EMPTY[kind])
        yield _event("content_block_delta", index=self._open_index, delta=delta)

    def _open_block(self, kind: str, block: Json) -> Iterator[Payload]:
        yield from self._start(Started())
        yield from self._close_block()
        self._open, self._open_index = kind, self._next
        self._next += 1
        yield _event("content_block_start", index=self._open_index, content_block=block)

    def _close_block(self) -> Iterator[Payload]:
        if self._open is None:
            return
        if self._open == "thinking":
            # Clients send no thinking back that has no signature; this one tells us that it is nobody's.
            yield self._signature(seals.seal({}))
        self._open = None
        yield _event("content_block_stop", index=self._open_index)

    def _end_reasoning(self, event: ReasoningEnded) -> Iterator[Payload]:
        if event.redacted is not None:
            block = {"type": "redacted_thinking", "data": event.redacted}
            yield from self._open_block("redacted_thinking", block)
        elif event.signature is None and event.encrypted is None:
            yield from self._close_block()
            return
        else:
            if self._open != "thinking":
                yield from self._open_block("thinking", _EMPTY["thinking"])
            values = {"encrypted": event.encrypted, "item": event.item_id}
            sealed = seals.seal({key: value for key, value in values.items() if value})
            yield self._signature(event.signature or sealed)
        self._open = None
        yield _event("content_block_stop", index=self._open_index)

    def _signature(self, signature: str) -> Payload:
        delta = {"type": "signature_delta", "signature": signature}
        return _event("content_block_delta", index=self._open_index, delta=delta)

    def _tool(self, event: ToolStarted | ToolDelta | ToolEnded) -> Iterator[Payload]:
        match event:
            case ToolStarted():
                yield from self._start_tool(event)
            case ToolDelta(index, text) if text and index in self._tools:
                delta = {"type": "input_json_delta", "partial_json": text}
                yield _event("content_block_delta", index=self._tools[index], delta=delta)
            case ToolEnded(index) if index in self._tools:
                yield _event("content_block_stop", index=self._tools.pop(index))

    def _start_tool(self, event: ToolStarted) -> Iterator[Payload]:
        yield from self._start(Started())
        yield from self._close_block()
        index = self._tools[event.index] = self._next
        self._next += 1
        block = {
            "type": "tool_use",
            "id": tool_ids.sealed(event.id, event.signature),
            "name": self._names.client_tool(event.name).name,
            "input": {},
        }
        yield _event("content_block_start", index=index, content_block=block)


def _event(kind: str, **fields: Json) -> Payload:
    return Payload(kind, {"type": kind, **fields})


def _usage(usage: Usage) -> Json:
    """Return the counts in this dialect: the input leaves out what was read from and written to the cache."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    counts: dict[str, Json] = {
        "input_tokens": max(0, (usage.input_tokens or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts
