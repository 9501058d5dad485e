"""Cohere's older API that writes text: chat, generations, summaries. Streams are lines of JSON.

The last line of a stream has the whole response in it; only where it is missing do the pieces make one.
https://docs.cohere.com/v1/reference/chat, https://docs.cohere.com/v1/reference/generate (read 2026-11-26)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmitm.calls import Answer, Endpoint, Json, ToolCall
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.cohere_base import CohereDialect
from llmitm.providers.fields import count, filled, first, items, mapping, text
from llmitm.wire.jsontext import compact

_GROWING = ("citations", "documents", "search_queries", "search_results", "tool_calls")
_OF_THE_STREAM = ("event_type", "is_finished", "response")


class CohereV1(CohereDialect):
    """`POST /v1/{chat,generate,summarize}`; the oldest clients leave the version out."""

    name = "cohere_v1"
    routes = (
        Route(re.compile(r"(?<!/v2)/chat/?$"), "chat"),
        Route(re.compile(r"/(?:generate|summarize)/?$"), "completion"),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of lines."""
        return LinesAssembler(generates=endpoint.operation == "completion")

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        if "generations" in body:
            generation = first(body.get("generations"))
            answer.text = text(generation.get("text")) or ""
            answer.finish_reason = filled(generation.get("finish_reason")) or answer.finish_reason
        elif "summary" in body:
            answer.text = text(body.get("summary")) or ""
        elif "text" in body:
            answer.text = text(body.get("text")) or ""
            answer.tool_calls = tuple(_tool_calls(body))
        return answer


def _tool_calls(body: dict[str, Json]) -> Iterable[ToolCall]:
    for call in map(mapping, items(body.get("tool_calls"))):
        if name := filled(call.get("name")):
            yield ToolCall(name, compact(mapping(call.get("parameters"))))


class LinesAssembler(Assembler):
    """Collect lines into the response that the last of them should have."""

    def __init__(self, *, generates: bool) -> None:
        self._generates = generates
        self._texts: dict[int, list[str]] = {}
        self._lists: dict[str, list[Json]] = {}
        self._fields: dict[str, Json] = {}
        self._response: dict[str, Json] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one line; return whether it carried content."""
        body = mapping(payload)
        match body.get("event_type"):
            case "text-generation":
                piece = text(body.get("text")) or ""
                self._texts.setdefault(count(body.get("index")) or 0, []).append(piece)
                return bool(piece)
            case "stream-end":
                self._response = mapping(body.get("response"))
                self._fields.update(
                    (name, value) for name, value in body.items() if name not in _OF_THE_STREAM
                )
                return False
            case "stream-start":
                self._fields["generation_id"] = body.get("generation_id")
                return False
            case _:
                for name in _GROWING:
                    self._lists.setdefault(name, []).extend(items(body.get(name)))
                return bool(body.get("tool_calls") or body.get("tool_call_delta"))

    def document(self) -> Json:
        """Return the response; of one that broke off, as far as it came."""
        lists = {name: values for name, values in self._lists.items() if values}
        if not (self._texts or lists or self._fields or self._response):
            return None
        return {**self._written(), **lists, **self._fields, **self._response}

    def _written(self) -> dict[str, Json]:
        texts = ["".join(self._texts[n]) for n in sorted(self._texts)]
        if self._generates:
            return {"generations": [{"text": text} for text in texts]}
        return {"text": "".join(texts)}


DIALECT = CohereV1()
