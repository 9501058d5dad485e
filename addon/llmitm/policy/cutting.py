"""End a stream early in its dialect's own way, as if the limit of its output had been reached.

Whole events pass until one would be too much; in its place comes what a provider sends when it stops for length, which
every SDK knows: https://platform.openai.com/docs/api-reference/chat-streaming,
https://platform.openai.com/docs/api-reference/responses-streaming, https://docs.claude.com/en/docs/build-with-claude/streaming,
https://ai.google.dev/api/generate-content#FinishReason (read 2026-11-26)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from llmitm.calls import Json
from llmitm.providers.fields import items, mapping
from llmitm.wire import jsontext

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DATA = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)


class _Dialect(Protocol):
    """What is to be known of a dialect's streams."""

    def text(self, event: Json) -> str:
        """Take note of an event, and return what it says."""

    def ending(self, tokens: int) -> bytes:
        """Return the events with which a stream ends that has made so many tokens."""


class StreamCut:
    """Let a stream pass as long as it is allowed to go on."""

    def __init__(
        self, dialect: str, count: Callable[[str], int], may_go_on: Callable[[int], bool]
    ) -> None:
        """`count` tells the tokens of a text, `may_go_on` whether so many in all are paid for.

        Raises `KeyError` where the dialect is none of those that can be ended.
        """
        self._dialect = _DIALECTS[dialect]()
        self._count = count
        self._may_go_on = may_go_on
        self._rest = b""
        self.tokens = 0
        """That have passed."""
        self.is_cut = False

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets of a piece; nothing more once the stream is cut."""
        if self.is_cut:
            return b""
        text, start = self._rest + data, 0
        out: list[bytes] = []
        for end in _EVENT_END.finditer(text):
            event = text[start : end.end()]
            start = end.end()
            made = self._count(said) if (said := self._said(event)) else 0
            if made and not self._may_go_on(self.tokens + made):
                self.is_cut, self._rest = True, b""
                return b"".join([*out, self._dialect.ending(self.tokens)])
            self.tokens += made
            out.append(event)
        self._rest = text[start:]
        return b"".join(out)

    def flush(self) -> bytes:
        """Return what was kept back when the stream ended by itself."""
        rest, self._rest = self._rest, b""
        return rest

    def _said(self, event: bytes) -> str:
        data = b"\n".join(_DATA.findall(event))
        document = jsontext.parse_or_none(data) if data.startswith(b"{") else None
        return self._dialect.text(document) if isinstance(document, dict) else ""


class _OpenAIChat:
    def __init__(self) -> None:
        self._last: dict[str, Json] = {}
        self._choices: set[int] = set()

    def text(self, event: Json) -> str:
        said = []
        self._last = event
        for choice in items(event.get("choices")):
            delta = mapping(mapping(choice).get("delta"))
            index = mapping(choice).get("index")
            self._choices.add(index if isinstance(index, int) else 0)
            said += [delta.get(name) for name in ("content", "refusal", "reasoning_content")]
            said.append(delta.get("reasoning"))
            for call in items(delta.get("tool_calls")):
                function = mapping(mapping(call).get("function"))
                said += [function.get("name"), function.get("arguments")]
        return _joined(said)

    def ending(self, tokens: int) -> bytes:
        kept = {
            name: value for name, value in self._last.items() if name not in ("choices", "usage")
        }
        choices = [
            {"index": index, "delta": {}, "finish_reason": "length"}
            for index in sorted(self._choices or {0})
        ]
        return _event({**kept, "choices": choices}) + b"data: [DONE]\n\n"


class _OpenAIResponses:
    def __init__(self) -> None:
        self._response: dict[str, Json] = {}
        self._items: dict[int, dict[str, Json]] = {}
        self._number = 0

    def text(self, event: Json) -> str:
        kind, index = event.get("type"), event.get("output_index")
        if isinstance(event.get("sequence_number"), int):
            self._number = event["sequence_number"]
        if isinstance(event.get("response"), dict):
            self._response = event["response"]
        if isinstance(event.get("item"), dict) and isinstance(index, int):
            self._items[index] = event["item"]
        if not isinstance(kind, str) or not kind.endswith(".delta"):
            return ""
        said = event.get("delta")
        if not isinstance(said, str):
            return ""
        if isinstance(index, int) and (item := self._items.get(index)) is not None:
            _add_to_item(item, kind, event.get("content_index"), said)
        return said

    def ending(self, tokens: int) -> bytes:
        output = [
            {**self._items[index], "status": "incomplete"}
            if "status" in self._items[index] and self._items[index]["status"] == "in_progress"
            else self._items[index]
            for index in sorted(self._items)
        ]
        response = {
            **self._response,
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": output,
        }
        kind = "response.incomplete"
        number = self._number + 1
        return _event({"type": kind, "sequence_number": number, "response": response}, kind)


def _add_to_item(item: dict[str, Json], kind: str, place: Json, said: str) -> None:
    """Put a piece into the item that it is of, so that the end has what the stream had."""
    if kind == "response.function_call_arguments.delta":
        item["arguments"] = str(item.get("arguments") or "") + said
    elif kind == "response.output_text.delta" and isinstance(place, int):
        content = item.setdefault("content", [])
        while isinstance(content, list) and len(content) <= place:
            content.append({"type": "output_text", "text": "", "annotations": []})
        content[place]["text"] += said


class _Anthropic:
    def __init__(self) -> None:
        self._open: set[int] = set()

    def text(self, event: Json) -> str:
        index = event.get("index")
        if isinstance(index, int):
            if event.get("type") == "content_block_start":
                self._open.add(index)
            elif event.get("type") == "content_block_stop":
                self._open.discard(index)
        delta = mapping(event.get("delta"))
        return _joined([delta.get(name) for name in ("text", "thinking", "partial_json")])

    def ending(self, tokens: int) -> bytes:
        stops = [
            _event({"type": "content_block_stop", "index": index}, "content_block_stop")
            for index in sorted(self._open)
        ]
        delta = {"stop_reason": "max_tokens", "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": tokens}}
        return b"".join(
            [
                *stops,
                _event(last, "message_delta"),
                _event({"type": "message_stop"}, "message_stop"),
            ]
        )


class _Gemini:
    def __init__(self) -> None:
        self._last: dict[str, Json] = {}

    def text(self, event: Json) -> str:
        self._last = event
        said = []
        for candidate in items(event.get("candidates")):
            for part in items(mapping(mapping(candidate).get("content")).get("parts")):
                call = mapping(part).get("functionCall")
                said += [mapping(part).get("text"), jsontext.compact(call) if call else None]
        return _joined(said)

    def ending(self, tokens: int) -> bytes:
        content = {"parts": [{"text": ""}], "role": "model"}
        candidate = {"content": content, "finishReason": "MAX_TOKENS", "index": 0}
        return _event({**self._last, "candidates": [candidate]})


_DIALECTS: Mapping[str, Callable[[], _Dialect]] = {
    "openai_chat": _OpenAIChat,
    "openai_responses": _OpenAIResponses,
    "anthropic_messages": _Anthropic,
    "gemini": _Gemini,
}


def can_be_cut(dialect: str | None) -> bool:
    """Tell whether a dialect's streams can be ended here."""
    return dialect in _DIALECTS


def _joined(said: list[Json]) -> str:
    return "".join(text for text in said if isinstance(text, str))


def _event(document: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document, separators=(',', ':'))}\n\n".encode()
