"""End a stream early in its dialect's own way, as if the limit of its output had been reached.

Whole events pass until one would be too much; in its place comes what a provider sends when it stops for length, which
every SDK knows: https://platform.openai.com/docs/api-reference/chat-streaming,
https://platform.openai.com/docs/api-reference/responses-streaming, https://docs.claude.com/en/docs/build-with-claude/streaming,
https://ai.google.dev/api/generate-content#FinishReason (read 2026-11-26)
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from llmitm.calls import Json, Usage
from llmitm.providers import anthropic_message, gemini_usage, openai_usage
from llmitm.providers.fields import items, mapping
from llmitm.wire import jsontext

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DATA = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)


type _Said = Iterable[tuple[str, Json]]
"""Pieces of text, each with the name of what it goes on with; what is no text counts for nothing."""


class Text(Protocol):
    """A text that grows."""

    tokens: int

    def add(self, piece: str) -> None:
        """Take the next piece."""


class Allowance(Protocol):
    """What there is for a stream."""

    def told(self, usage: Usage) -> None:
        """Take note of what the provider has told that the stream used so far."""

    def may_go_on(self, tokens: int) -> bool:
        """Tell whether so many tokens in all are paid for."""


class _Dialect(Protocol):
    """What is to be known of a dialect's streams."""

    is_over: bool
    """The stream has said that it is at its end."""

    def said(self, event: Json) -> _Said:
        """Take note of an event, and return what it says."""

    def usage(self, event: Json) -> Usage | None:
        """Return what the provider tells that the stream has used so far, without its output where that is not known."""

    def ending(self, tokens: int) -> bytes:
        """Return the events with which a stream ends that has made so many tokens."""


class StreamCut:
    """Let a stream pass as long as it is allowed to go on.

    It is ended where one more event like the longest before would be too much, so that what the provider has made,
    and charges, is paid for.
    """

    def __init__(self, dialect: str, text: Callable[[], Text], allowance: Allowance) -> None:
        """`text` makes what counts the tokens of each text of the answer.

        Raises `KeyError` where the dialect is none of those that can be ended.
        """
        self._dialect = _DIALECTS[dialect]()
        self._texts: defaultdict[str, Text] = defaultdict(text)
        self._allowance = allowance
        self._rest = b""
        self._told = 0
        """Tokens that the provider has told, less what was counted by then."""
        self._longest = 0
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
            before, made = self.tokens, self._made(event)
            if made and not self._allowance.may_go_on(before + made):
                return self._ended(out)
            self.tokens = before + made
            self._longest = max(self._longest, made)
            out.append(event)
            may_end = made and not self._dialect.is_over
            if may_end and not self._allowance.may_go_on(self.tokens + self._longest):
                return self._ended(out)
        self._rest = text[start:]
        return b"".join(out)

    def _ended(self, out: list[bytes]) -> bytes:
        self.is_cut, self._rest = True, b""
        return b"".join([*out, self._dialect.ending(self.tokens)])

    def flush(self) -> bytes:
        """Return what was kept back when the stream ended by itself."""
        rest, self._rest = self._rest, b""
        return rest

    def _made(self, event: bytes) -> int:
        """Return the tokens of an event that says something."""
        data = b"\n".join(_DATA.findall(event))
        document = jsontext.parse_or_none(data) if data.startswith(b"{") else None
        if not isinstance(document, dict):
            return 0
        says = False
        for name, piece in self._dialect.said(document):
            if isinstance(piece, str) and piece:
                self._texts[name].add(piece)
                says = True
        counted = sum(text.tokens for text in self._texts.values())
        if (usage := self._dialect.usage(document)) is not None:
            self._allowance.told(usage)
            if usage.output_tokens is not None:
                self._told = usage.output_tokens - counted
        return max(0, self._told + counted - self.tokens) if says else 0


class _OpenAIChat:
    def __init__(self) -> None:
        self.is_over = False
        self._last: dict[str, Json] = {}
        self._choices: set[int] = set()

    def said(self, event: Json) -> _Said:
        self._last = event
        for choice in map(mapping, items(event.get("choices"))):
            delta = mapping(choice.get("delta"))
            index = choice.get("index")
            self._choices.add(index if isinstance(index, int) else 0)
            self.is_over = self.is_over or bool(choice.get("finish_reason"))
            for name in ("content", "refusal", "reasoning_content", "reasoning"):
                yield f"{index} {name}", delta.get(name)
            for call in map(mapping, items(delta.get("tool_calls"))):
                function, place = mapping(call.get("function")), f"{index} {call.get('index')}"
                yield f"{place} name", function.get("name")
                yield f"{place} arguments", function.get("arguments")

    def usage(self, event: Json) -> Usage | None:
        """Some servers tell it with every event (`continuous_usage_stats`)."""
        found, _ = openai_usage.read(event.get("usage"))
        return found if found.source == "reported" else None

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
        self.is_over = False
        self._response: dict[str, Json] = {}
        self._items: dict[int, dict[str, Json]] = {}
        self._number = 0

    def said(self, event: Json) -> _Said:
        kind, index = event.get("type"), event.get("output_index")
        if isinstance(event.get("sequence_number"), int):
            self._number = event["sequence_number"]
        if isinstance(event.get("response"), dict):
            self._response = event["response"]
        if isinstance(event.get("item"), dict) and isinstance(index, int):
            self._items[index] = event["item"]
        if not isinstance(kind, str) or not kind.endswith(".delta"):
            return
        said = event.get("delta")
        if not isinstance(said, str):
            return
        if isinstance(index, int) and (item := self._items.get(index)) is not None:
            _add_to_item(item, kind, event.get("content_index"), said)
        yield f"{index} {kind}", said

    def usage(self, event: Json) -> Usage | None:
        """It is told with the whole response only."""
        return None

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
        self.is_over = False
        self._open: set[int] = set()

    def said(self, event: Json) -> _Said:
        index = event.get("index")
        if isinstance(index, int):
            if event.get("type") == "content_block_start":
                self._open.add(index)
            elif event.get("type") == "content_block_stop":
                self._open.discard(index)
        delta = mapping(event.get("delta"))
        for name in ("text", "thinking", "partial_json"):
            yield f"{index} {name}", delta.get(name)

    def usage(self, event: Json) -> Usage | None:
        """It begins with what the prompt was; what has been made by then says nothing."""
        told = mapping(mapping(event.get("message")).get("usage"))
        if event.get("type") != "message_start" or not told:
            return None
        return replace(anthropic_message.read_usage(told), output_tokens=None)

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
        self.is_over = False
        self._last: dict[str, Json] = {}

    def said(self, event: Json) -> _Said:
        self._last = event
        for candidate in map(mapping, items(event.get("candidates"))):
            index = candidate.get("index")
            self.is_over = self.is_over or bool(candidate.get("finishReason"))
            for part in map(mapping, items(mapping(candidate.get("content")).get("parts"))):
                yield f"{index} text", part.get("text")
                if call := part.get("functionCall"):
                    yield f"{index} calls", jsontext.compact(call)

    def usage(self, event: Json) -> Usage | None:
        """Every event tells it."""
        told = mapping(event.get("usageMetadata"))
        return gemini_usage.read(told) if told else None

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


_TELL_PROMPT = frozenset({"anthropic_messages", "gemini"})


def tells_prompt(dialect: str | None) -> bool:
    """Tell whether a dialect's streams say what the prompt was before anything of the answer."""
    return dialect in _TELL_PROMPT


def can_be_cut(dialect: str | None) -> bool:
    """Tell whether a dialect's streams can be ended here."""
    return dialect in _DIALECTS


def _event(document: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document, separators=(',', ':'))}\n\n".encode()
