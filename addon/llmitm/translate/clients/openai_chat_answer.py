"""Answers as chat completions stream them.

Thinking is in `reasoning_content`, as DeepSeek has it; what proves it in `reasoning_details`, as OpenRouter has it.
https://platform.openai.com/docs/api-reference/chat-streaming (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json, Usage
from llmitm.translate import failures, seals, tool_ids
from llmitm.translate.clients.freeform import as_input
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

_REASONS: dict[FinishReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class ChunkWriter(AnswerWriter):
    """Write a completion chunk by chunk."""

    def __init__(self, answering: Answering, names: ToolNames, wants_usage: bool) -> None:
        self._names = names
        self._wants_usage = wants_usage
        self._head: dict[str, Json] = {
            "id": answering.id or "chatcmpl-unnamed",
            "object": "chat.completion.chunk",
            "created": answering.created,
            "model": answering.model,
        }
        self._is_started = False
        self._positions: dict[int, int] = {}
        self._freeform: dict[int, list[str]] = {}
        """The arguments so far of calls whose input is a text."""
        self._thought: list[str] = []
        """The thinking since it was last signed."""
        self._signed = 0
        self._usage = Usage()
        self._finish: Finished | None = None

    def write(self, event: Event) -> Iterator[Payload]:
        """Take one event, return what is sent."""
        match event:
            case Started():
                yield from self._start(event)
            case TextDelta(text, refusal):
                yield from self._delta({"refusal" if refusal else "content": text})
            case ReasoningDelta(text):
                self._thought.append(text)
                yield from self._delta({"reasoning_content": text})
            case ReasoningEnded():
                yield from self._end_reasoning(event)
            case ToolStarted() | ToolDelta() | ToolEnded():
                yield from self._tool(event)
            case Counted(usage):
                self._usage = usage
            case Finished():
                self._finish = event
            case Failed(failure):
                yield Payload(None, {"error": failures.openai(failure)})

    def close(self) -> Iterator[Payload]:
        """End the completion."""
        yield from self._start(Started())
        finish = self._finish or Finished("stop")
        yield self._chunk({}, _REASONS[finish.reason])
        if self._wants_usage and self._usage.source != "none":
            yield Payload(None, {**self._head, "choices": [], "usage": _usage(self._usage)})

    def _start(self, event: Started) -> Iterator[Payload]:
        if self._is_started:
            return
        self._is_started = True
        found = {"id": event.id, "created": event.created, "model": event.model}
        self._head.update({name: value for name, value in found.items() if value})
        yield self._chunk({"role": "assistant", "content": None})

    def _delta(self, delta: Json) -> Iterator[Payload]:
        yield from self._start(Started())
        yield self._chunk(delta)

    def _chunk(self, delta: Json, finish: str | None = None) -> Payload:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Payload(None, {**self._head, "choices": [choice]})

    def _end_reasoning(self, event: ReasoningEnded) -> Iterator[Payload]:
        thought, self._thought = "".join(self._thought), []
        detail: dict[str, Json]
        if event.redacted is not None:
            detail = {"type": "reasoning.encrypted", "data": event.redacted}
        elif event.encrypted is not None:
            values = {"encrypted": event.encrypted, "item": event.item_id}
            sealed = seals.seal({key: value for key, value in values.items() if value})
            detail = {"type": "reasoning.encrypted", "data": sealed}
        elif event.signature is not None:
            detail = {"type": "reasoning.text", "text": thought, "signature": event.signature}
        else:
            return
        yield from self._delta({"reasoning_details": [{**detail, "index": self._signed}]})
        self._signed += 1

    def _tool(self, event: ToolStarted | ToolDelta | ToolEnded) -> Iterator[Payload]:
        position = self._positions.setdefault(event.index, len(self._positions))
        match event:
            case ToolStarted(index, identifier, name, signature):
                tool = self._names.client_tool(name)
                call: dict[str, Json] = {
                    "index": position,
                    "id": tool_ids.sealed(identifier, signature),
                }
                if tool.is_freeform:
                    self._freeform[index] = []
                    call |= {"type": "custom", "custom": {"name": tool.name, "input": ""}}
                else:
                    call |= {"type": "function", "function": {"name": tool.name, "arguments": ""}}
                yield from self._delta({"tool_calls": [call]})
            case ToolDelta(index, text):
                if index in self._freeform:
                    self._freeform[index].append(text)
                else:
                    call = {"index": position, "function": {"arguments": text}}
                    yield from self._delta({"tool_calls": [call]})
            case ToolEnded(index):
                if index in self._freeform:
                    written = as_input("".join(self._freeform.pop(index)))
                    call = {"index": position, "custom": {"input": written}}
                    yield from self._delta({"tool_calls": [call]})


def _usage(usage: Usage) -> Json:
    """Return the counts in this dialect: what was cached is part of the prompt."""
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    details = {
        "cached_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    counts: dict[str, Json] = {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {k: v for k, v in details.items() if v is not None},
    }
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts
