"""Cohere's chat, version 2: content in parts, a plan before the tools, streams of typed events.

https://docs.cohere.com/reference/chat, https://docs.cohere.com/v2/docs/streaming (read 2026-11-26)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmitm.calls import Answer, Endpoint, Json, ToolCall
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.cohere_base import CohereDialect
from llmitm.providers.fields import count, filled, items, mapping, text


class CohereChat(CohereDialect):
    """`POST /v2/chat`."""

    name = "cohere_chat"
    routes = (Route(re.compile(r"/v2/chat/?$"), "chat"),)

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return EventsAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response. The plan for the tools is the model's thinking and not its answer."""
        answer = super().answer(document, head)
        message = mapping(document).get("message")
        if isinstance(message, dict):  # an error's message is a text
            parts = [mapping(part) for part in items(message.get("content"))]
            answer.text = _joined(parts, "text")
            thinking = _joined(parts, "thinking") + (text(message.get("tool_plan")) or "")
            answer.reasoning = thinking or None
            answer.tool_calls = tuple(_tool_calls(message))
        return answer


def _joined(parts: Iterable[dict[str, Json]], field: str) -> str:
    return "".join(text(part.get(field)) or "" for part in parts)


def _tool_calls(message: dict[str, Json]) -> Iterable[ToolCall]:
    for call in map(mapping, items(message.get("tool_calls"))):
        function = mapping(call.get("function"))
        if name := filled(function.get("name")):
            yield ToolCall(name, text(function.get("arguments")) or "", filled(call.get("id")))


class EventsAssembler(Assembler):
    """Collect events, each with a piece of one part of the message, into one response."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._message: dict[str, Json] = {}
        self._plan: list[str] = []
        self._parts: dict[int, _Growing] = {}
        self._calls: dict[int, _Growing] = {}
        self._citations: list[Json] = []

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        body = mapping(payload)
        delta, index = mapping(body.get("delta")), count(body.get("index")) or 0
        message = mapping(delta.get("message"))
        match body.get("type") or event:
            case "message-start":
                self._fields["id"] = body.get("id")
                self._message = message
            case "content-start" | "content-delta":
                return self._parts.setdefault(index, _Growing()).add(message.get("content"))
            case "tool-plan-delta":
                piece = text(message.get("tool_plan")) or ""
                self._plan.append(piece)
                return bool(piece)
            case "tool-call-start" | "tool-call-delta":
                return self._calls.setdefault(index, _Growing()).add(message.get("tool_calls"))
            case "citation-start":
                self._citations.append(message.get("citations"))
            case "message-end":
                self._fields.update(delta)
            case _:
                pass
        return False

    def document(self) -> Json:
        """Return the response in its unstreamed form; an error that ends it stands beside the message."""
        grown = {
            "content": [self._parts[n].whole() for n in sorted(self._parts)],
            "tool_plan": "".join(self._plan),
            "tool_calls": [self._calls[n].whole() for n in sorted(self._calls)],
            "citations": self._citations,
        }
        message = {**self._message, **{name: value for name, value in grown.items() if value}}
        if not self._fields and not message:
            return None
        return {**self._fields, "message": message}


class _Growing:
    """A part of the message whose texts come in pieces."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._pieces: dict[str, list[str]] = {}
        self._function: _Growing | None = None

    def add(self, piece: Json) -> bool:
        """Take a piece; return whether there was text in it, or the name of a tool."""
        content = False
        for name, value in mapping(piece).items():
            if name == "function":
                self._function = self._function or _Growing()
                content |= self._function.add(value)
            elif name in ("text", "thinking", "arguments") and isinstance(value, str):
                self._pieces.setdefault(name, []).append(value)
                content |= bool(value)
            else:
                self._fields[name] = value
                content |= name == "name"
        return content

    def whole(self) -> dict[str, Json]:
        """Return the part in its unstreamed form."""
        whole = {**self._fields, **{name: "".join(p) for name, p in self._pieces.items()}}
        if self._function is not None:
            whole["function"] = self._function.whole()
        return whole


DIALECT = CohereChat()
