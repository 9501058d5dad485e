"""Answers of OpenAI's Responses.

https://platform.openai.com/docs/api-reference/responses-streaming (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers import openai_usage
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

_TEXTS = {"response.output_text.delta": False, "response.refusal.delta": True}
_THOUGHTS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.done")
_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "refusal"}


class ResponseReader(AnswerReader):
    """Read a response event by event."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._is_started = False
        self._seen: set[int] = set()
        """Indexes of items of which something was told."""
        self._calls: dict[int, bool] = {}
        """Calls of functions, and whether any of their arguments has come."""
        self._has_calls = False

    def add(self, payload: Json, event: str | None) -> Iterator[Event]:
        """Take one event."""
        body = mapping(payload)
        kind = text(body.get("type")) or event or ""
        index = count(body.get("output_index")) or 0
        piece = filled(body.get("delta"))
        if kind in ("response.created", "response.in_progress"):
            yield from self._start(mapping(body.get("response")))
        elif kind in _TEXTS and piece:
            self._seen.add(index)
            yield TextDelta(piece, refusal=_TEXTS[kind])
        elif kind in _THOUGHTS and piece:
            self._seen.add(index)
            yield ReasoningDelta(piece)
        elif kind == "response.reasoning_summary_part.added" and count(body.get("summary_index")):
            yield ReasoningDelta("\n\n")
        elif kind == "response.function_call_arguments.delta" and piece and index in self._calls:
            self._calls[index] = True
            yield ToolDelta(index, piece)
        elif kind == "response.output_item.added":
            yield from self._begin(index, mapping(body.get("item")))
        elif kind == "response.output_item.done":
            yield from self._item(index, mapping(body.get("item")))
        elif kind == "error":
            yield Failed(failures.of_event(body.get("error") or body))
        elif kind in _ENDS:
            yield from self._end(mapping(body.get("response")))

    def whole(self, document: Json) -> Iterator[Event]:
        """Take a whole response."""
        yield from self._end(mapping(document))

    def _start(self, response: dict[str, Json]) -> Iterator[Event]:
        if not self._is_started:
            self._is_started = True
            self._id = filled(response.get("id"))
            yield Started(
                self._id, filled(response.get("model")), count(response.get("created_at"))
            )

    def _begin(self, index: int, item: dict[str, Json]) -> Iterator[Event]:
        if item.get("type") == "function_call" and (name := filled(item.get("name"))):
            self._calls[index], self._has_calls = False, True
            yield ToolStarted(index, filled(item.get("call_id")) or call_id(self._id, index), name)

    def _item(self, index: int, item: dict[str, Json]) -> Iterator[Event]:
        """Take an item that is whole; what was not told of it before is told now."""
        match item.get("type"):
            case "function_call":
                yield from self._end_call(index, item)
            case "message" if index not in self._seen:
                yield from _message(item)
            case "reasoning":
                if index not in self._seen:
                    yield from _thoughts(item)
                yield ReasoningEnded(
                    encrypted=filled(item.get("encrypted_content")), item_id=filled(item.get("id"))
                )
        self._seen.add(index)

    def _end_call(self, index: int, item: dict[str, Json]) -> Iterator[Event]:
        if index not in self._calls and index not in self._seen:
            yield from self._begin(index, item)
        if index in self._calls:
            if not self._calls.pop(index):
                yield ToolDelta(index, filled(item.get("arguments")) or "{}")
            yield ToolEnded(index)

    def _end(self, response: dict[str, Json]) -> Iterator[Event]:
        yield from self._start(response)
        for index, item in enumerate(map(mapping, items(response.get("output")))):
            if index not in self._seen or index in self._calls:
                yield from self._item(index, item)
        counted, _ = openai_usage.read(response.get("usage"))
        if counted.source != "none":
            yield Counted(counted)
        if response.get("status") == "failed" or response.get("error"):
            yield Failed(failures.of_event(response.get("error") or {}))
            return
        yield Finished(self._reason(response))
        yield Done()

    def _reason(self, response: dict[str, Json]) -> FinishReason:
        told = mapping(response.get("incomplete_details")).get("reason")
        if isinstance(told, str):
            return _INCOMPLETE.get(told, "length")
        return "tool_use" if self._has_calls else "stop"


def _message(item: dict[str, Json]) -> Iterator[Event]:
    for part in map(mapping, items(item.get("content"))):
        if written := filled(part.get("text")):
            yield TextDelta(written)
        elif refusal := filled(part.get("refusal")):
            yield TextDelta(refusal, refusal=True)


def _thoughts(item: dict[str, Json]) -> Iterator[Event]:
    parts = items(item.get("summary")) or items(item.get("content"))
    found = [filled(mapping(part).get("text")) for part in parts]
    if thought := "\n\n".join(part for part in found if part):
        yield ReasoningDelta(thought)
