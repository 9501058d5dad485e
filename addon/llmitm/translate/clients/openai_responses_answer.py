"""Answers as Responses stream them: items, each with its pieces, and the whole response at the end.

https://platform.openai.com/docs/api-reference/responses-streaming (read 2026-11-24)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmitm.calls import Json, Usage
from llmitm.translate import failures
from llmitm.translate.clients.openai_responses_items import (
    CallItem,
    Item,
    MessageItem,
    ReasoningItem,
)
from llmitm.translate.events import (
    Counted,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from llmitm.translate.failures import Failure
from llmitm.translate.sides import Answering, AnswerWriter, Payload
from llmitm.translate.tool_names import ToolNames

_INCOMPLETE = {"length": "max_output_tokens", "refusal": "content_filter"}


class ResponseWriter(AnswerWriter):
    """Write a response event by event."""

    def __init__(self, answering: Answering, names: ToolNames, echoed: Mapping[str, Json]) -> None:
        self._names = names
        self._response: dict[str, Json] = {
            "id": "resp_unnamed",
            "object": "response",
            "created_at": answering.created,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": answering.model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            **echoed,
            "usage": None,
        }
        self._identifier = answering.id or "unnamed"
        self._is_started = False
        self._number = 0
        self._items: list[Item] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._usage = Usage()
        self._finish: Finished | None = None

    def write(self, event: Event) -> Iterator[Payload]:
        """Take one event, return what is sent."""
        for document in self._documents(event):
            yield self._numbered(document)

    def close(self) -> Iterator[Payload]:
        """End the response."""
        for document in self._ending():
            yield self._numbered(document)

    def _numbered(self, document: dict[str, Json]) -> Payload:
        document["sequence_number"] = self._number
        self._number += 1
        return Payload(document["type"], document)

    def _documents(self, event: Event) -> Iterator[dict[str, Json]]:
        match event:
            case Started():
                yield from self._start(event)
            case TextDelta(text, refusal):
                yield from self._message(text, refusal)
            case ReasoningDelta(text):
                yield from self._reasoning(text)
            case ReasoningEnded():
                yield from self._end_reasoning(event)
            case ToolStarted() | ToolDelta() | ToolEnded():
                yield from self._tool(event)
            case Counted(usage):
                self._usage = usage
            case Finished():
                self._finish = event
            case Failed(failure):
                yield from self._fail(failure)

    def _start(self, event: Started) -> Iterator[dict[str, Json]]:
        if self._is_started:
            return
        self._is_started = True
        self._identifier = event.id or self._identifier
        self._response["id"] = f"resp_{self._identifier.removeprefix('resp_')}"
        self._response["model"] = event.model or self._response["model"]
        self._response["created_at"] = event.created or self._response["created_at"]
        for kind in ("response.created", "response.in_progress"):
            yield {"type": kind, "response": dict(self._response)}

    def _message(self, text: str, refusal: bool) -> Iterator[dict[str, Json]]:
        if not (isinstance(self._open, MessageItem) and self._open.is_refusal == refusal):
            yield from self._close_item()
            item = MessageItem(*self._place("msg"), refusal)
            yield from self._open_item(item)
        assert self._open is not None
        yield from self._open.add(text)

    def _reasoning(self, text: str) -> Iterator[dict[str, Json]]:
        if not isinstance(self._open, ReasoningItem):
            yield from self._close_item()
            yield from self._open_item(ReasoningItem(*self._place("rs")))
        assert self._open is not None
        if text:
            yield from self._open.add(text)

    def _end_reasoning(self, event: ReasoningEnded) -> Iterator[dict[str, Json]]:
        if event.signature or event.redacted:
            yield from self._reasoning("")
        if isinstance(self._open, ReasoningItem):
            self._open.seal(event)
            yield from self._close_item()

    def _tool(self, event: ToolStarted | ToolDelta | ToolEnded) -> Iterator[dict[str, Json]]:
        match event:
            case ToolStarted():
                yield from self._close_item()
                tool = self._names.client_tool(event.name)
                prefix = "ctc" if tool.is_freeform else "fc"
                item = CallItem(*self._place(prefix), event, tool)
                self._calls[event.index] = item
                yield from self._add_item(item)
            case ToolDelta(index, text):
                if index in self._calls:
                    yield from self._calls[index].add(text)
            case ToolEnded(index):
                if index in self._calls:
                    yield from self._calls.pop(index).close()

    def _place(self, prefix: str) -> tuple[int, str]:
        """Return the index and the id of the next item."""
        index = len(self._items)
        return index, f"{prefix}_{self._identifier}_{index}"

    def _open_item(self, item: MessageItem | ReasoningItem) -> Iterator[dict[str, Json]]:
        self._open = item
        yield from self._add_item(item)

    def _add_item(self, item: Item) -> Iterator[dict[str, Json]]:
        yield from self._start(Started())
        self._items.append(item)
        yield from item.open()

    def _close_item(self) -> Iterator[dict[str, Json]]:
        if self._open is not None:
            item, self._open = self._open, None
            yield from item.close()

    def _ending(self) -> Iterator[dict[str, Json]]:
        yield from self._start(Started())
        yield from self._close_item()
        for item in self._calls.values():
            yield from item.close()
        self._calls.clear()
        finish = self._finish or Finished("stop")
        reason = _INCOMPLETE.get(finish.reason)
        status = "completed" if reason is None else "incomplete"
        self._response |= {
            "status": status,
            "incomplete_details": None if reason is None else {"reason": reason},
            "output": [item.document() for item in self._items],
            "usage": _usage(self._usage),
        }
        yield {"type": f"response.{status}", "response": dict(self._response)}

    def _fail(self, failure: Failure) -> Iterator[dict[str, Json]]:
        """Say it twice, as OpenAI does: SDKs raise at the one (documented flat, sent with `error`), Codex at the other."""
        yield from self._start(Started())
        error = failures.openai(failure)
        code = error["code"] or "server_error"
        flat = {"code": code, "message": failure.message, "param": None}
        yield {"type": "error", **flat, "error": error}
        self._response |= {
            "status": "failed",
            "error": {"code": code, "message": failure.message},
            "output": [item.document() for item in self._items],
        }
        yield {"type": "response.failed", "response": dict(self._response)}


def _usage(usage: Usage) -> Json:
    """Return the counts in this dialect: what was cached is part of the input."""
    if usage.source == "none":
        return None
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made,
    }
