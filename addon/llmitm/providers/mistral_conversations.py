"""Mistral's conversations: a model or an agent goes on with entries that Mistral keeps.

The outputs are entries (messages, calls of functions, runs of Mistral's own tools, handoffs), and what came from
tools is counted beside the prompt, as `connector_tokens`.
https://github.com/mistralai/client-python/blob/main/docs/models/conversationresponse.md (read 2026-11-26)
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json, ReportedUsage, Usage
from llmitm.providers import openai_choice, openai_usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import count, filled, items, mapping
from llmitm.providers.openai_base import OpenAIDialect

_UNITS = {
    "web_search": "web_search",
    "web_search_premium": "web_search",
    "code_interpreter": "code_execution",
    "image_generation": "image_generation",
    "document_library": "file_search",
}
"""Mistral's own tools, by the unit that is priced."""


class MistralConversations(OpenAIDialect):
    """`POST /v1/conversations`, and `POST` to one of them, which goes on with it or starts it again from an entry."""

    name = "mistral_conversations"
    routes = (Route(re.compile(r"/v1/conversations(?:/[^/]+(?:/restart)?)?/?$"), "chat"),)

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return EntriesAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        answer.response_id = filled(body.get("conversation_id"))
        answer.usage, answer.reported = _usage(body.get("usage"))
        if isinstance(body.get("outputs"), list):
            entries = [mapping(entry) for entry in items(body["outputs"])]
            openai_choice.read(answer, {"message": _message(entries)})
            models = (filled(entry.get("model")) for entry in entries)
            answer.model = next((model for model in models if model), None)
        return answer


def _message(entries: list[dict[str, Json]]) -> dict[str, Json]:
    """Return the entries as one message of a chat."""
    content: list[Json] = []
    calls: list[Json] = []
    for entry in entries:
        if entry.get("type") == "function.call":
            calls.append({"id": entry.get("tool_call_id"), "function": entry})
        elif isinstance(said := entry.get("content"), str):
            content.append({"type": "text", "text": said})
        else:
            content.extend(items(said))
    return {"content": content, "tool_calls": calls}


def _usage(told: Json) -> tuple[Usage, ReportedUsage]:
    connected = count(mapping(told).get("connector_tokens")) or 0
    # The total has them too, and is no help then.
    counts = {k: v for k, v in mapping(told).items() if not (connected and k == "total_tokens")}
    usage, reported = openai_usage.read(counts)
    if connected and usage.input_tokens is not None:
        usage = replace(usage, input_tokens=usage.input_tokens + connected)
    units = dict(usage.other)
    for name, runs in mapping(mapping(told).get("connectors")).items():
        unit, times = _UNITS.get(name), count(runs)
        if unit and times:
            units[unit] = units.get(unit, 0) + times
    return replace(usage, other=units), reported


class EntriesAssembler(Assembler):
    """Collect `conversation.response.*`, `message.output.delta`, `function.call.delta` and the tools' events."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._entries: dict[int, dict[str, Json]] = {}
        self._error: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        if not isinstance(payload, dict):
            return False
        kind = payload.get("type") or event
        if kind == "conversation.response.error" or "error" in payload:
            self._error = payload.get("error") or {
                key: value for key, value in payload.items() if key != "type"
            }
        elif kind == "message.output.delta":
            self._add_message(payload)
            return True
        elif kind == "function.call.delta":
            self._add_call(payload)
            return True
        else:
            known = ("conversation_id", "usage")
            self._document |= {key: payload[key] for key in known if payload.get(key)}
        return False

    def _entry(self, kind: str, payload: dict[str, Json]) -> dict[str, Json]:
        index = count(payload.get("output_index")) or 0
        return self._entries.setdefault(index, {"type": kind})

    def _add_message(self, payload: dict[str, Json]) -> None:
        entry = self._entry("message.output", payload)
        parts = entry.setdefault("content", [])
        said = payload.get("content")
        parts.append({"type": "text", "text": said} if isinstance(said, str) else mapping(said))
        for name in ("id", "model", "agent_id", "role"):
            if payload.get(name):
                entry[name] = payload[name]

    def _add_call(self, payload: dict[str, Json]) -> None:
        entry = self._entry("function.call", payload)
        arguments = payload.get("arguments")
        if isinstance(arguments, str):
            entry["arguments"] = str(entry.get("arguments") or "") + arguments
        for name in ("id", "name", "tool_call_id"):
            if payload.get(name):
                entry[name] = payload[name]

    def document(self) -> Json:
        """Return the response in its unstreamed form."""
        if not self._document and not self._entries and self._error is None:
            return None
        document = {"object": "conversation.response", **self._document}
        document["outputs"] = [self._entries[index] for index in sorted(self._entries)]
        if self._error is not None:
            document["error"] = self._error
        return document


DIALECT = MistralConversations()
