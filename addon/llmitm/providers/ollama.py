"""Ollama's own API: NDJSON streams, which are the default, and counts by the names of its engine.

`prompt_eval_count` is missing where the whole prompt was still in the engine's cache: the input is then not known,
and not 0.
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Prompt, ReportedUsage, ToolCall, Usage
from llmitm.providers import error_bodies
from llmitm.providers.base import Assembler, Dialect, Head, Route
from llmitm.providers.fields import count, filled, items, mapping, text
from llmitm.wire.jsontext import compact

_GROWING = ("content", "thinking", "response")


class Ollama(Dialect):
    """`POST /api/{chat,generate,embed,embeddings}`, and what manages models."""

    name = "ollama"
    routes = (
        Route(re.compile(r"/api/chat/?$"), "chat"),
        Route(re.compile(r"/api/generate/?$"), "completion"),
        Route(re.compile(r"/api/embed(?:dings)?/?$"), "embedding"),
        Route(re.compile(r"/api/(?:tags|ps|show|version)/?$"), "models", ("GET", "POST", "HEAD")),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        body = mapping(document)
        generates = endpoint.operation in ("chat", "completion")
        return Prompt(
            model=filled(body.get("model")) or filled(body.get("name")),
            streaming=generates and body.get("stream") is not False,
            document=document,
            max_output_tokens=count(mapping(body.get("options")).get("num_predict")),
        )

    def assembler(self, endpoint: Endpoint) -> Assembler | None:
        """Return an assembler of lines."""
        return LinesAssembler() if endpoint.operation in ("chat", "completion") else None

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        body = mapping(document)
        error = error_bodies.read(document, head.status)
        given, made = count(body.get("prompt_eval_count")), count(body.get("eval_count"))
        answer = Answer(
            model=filled(body.get("model")),
            usage=Usage(
                "none" if given is None and made is None else "reported",
                input_tokens=given,
                output_tokens=made,
            ),
            reported=ReportedUsage(given, made),
            finish_reason=filled(body.get("done_reason")),
            error_type=error.type,
            error_message=error.message,
            document=document,
        )
        message = mapping(body.get("message"))
        if "message" in body or "response" in body:
            answer.text = text(message.get("content")) or text(body.get("response")) or ""
            answer.reasoning = filled(message.get("thinking")) or filled(body.get("thinking"))
            answer.tool_calls = tuple(_tool_calls(message))
        return answer

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Ollama's error body, which has no types."""
        return {"error": message}


def _tool_calls(message: dict[str, Json]) -> list[ToolCall]:
    calls = []
    for call in map(mapping, items(message.get("tool_calls"))):
        function = mapping(call.get("function"))
        if name := filled(function.get("name")):
            arguments = function.get("arguments")
            as_text = arguments if isinstance(arguments, str) else compact(arguments or {})
            calls.append(ToolCall(name, as_text, filled(call.get("id"))))
    return calls


class LinesAssembler(Assembler):
    """Collect lines, each with the next piece of the message, into one."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._message: dict[str, Json] = {}
        self._pieces: dict[tuple[bool, str], list[str]] = {}
        self._tool_calls: list[Json] = []

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one line; return whether it carried content."""
        if not isinstance(payload, dict):
            return False
        content = False
        for key, value in payload.items():
            if key == "message" and isinstance(value, dict):
                for name, part in value.items():
                    content |= self._add(name, part, in_message=True)
            else:
                content |= self._add(key, value, in_message=False)
        return content

    def _add(self, key: str, value: Json, *, in_message: bool) -> bool:
        if key in _GROWING and isinstance(value, str):
            self._pieces.setdefault((in_message, key), []).append(value)
            return bool(value)
        if in_message and key == "tool_calls":
            self._tool_calls.extend(items(value))
            return bool(value)
        (self._message if in_message else self._fields)[key] = value
        return False

    def document(self) -> Json:
        """Return the answer in its unstreamed form."""
        whole, message = dict(self._fields), dict(self._message)
        for (in_message, key), pieces in self._pieces.items():
            (message if in_message else whole)[key] = "".join(pieces)
        if self._tool_calls:
            message["tool_calls"] = self._tool_calls
        if message:
            whole["message"] = message
        return whole or None


DIALECT = Ollama()
