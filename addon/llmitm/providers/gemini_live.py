"""Gemini Live, as the Gemini API and Vertex AI speak it: a call for each turn of the model.

The events of a turn are put together into the answer that generateContent would have given. Sound is not kept, its
transcript is. https://ai.google.dev/api/live
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json, Prompt
from llmitm.providers import gemini
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import filled, items, mapping, text
from llmitm.providers.gemini_base import GeminiDialect
from llmitm.providers.gemini_live_socket import LiveSocket
from llmitm.providers.gemini_stream import ResponseAssembler
from llmitm.providers.sockets import SocketReader


class GeminiLive(GeminiDialect):
    """`GET /ws/...BidiGenerateContent`, a socket."""

    name = "gemini_live"
    routes = (Route(re.compile(r"/ws/.*BidiGenerateContent"), "realtime", ("GET",)),)

    def assembler(self, endpoint: Endpoint) -> LiveAssembler:
        """Return an assembler of messages."""
        return LiveAssembler()

    def socket(self, endpoint: Endpoint, path: str) -> SocketReader | None:
        """Return a reader of a socket's frames."""
        return LiveSocket(endpoint)

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read what was set up for a turn, and said in it."""
        prompt = super().prompt(document, endpoint)
        # `models/m`, and Vertex AI's `projects/p/locations/l/publishers/google/models/m`.
        prompt.model = (filled(mapping(document).get("model")) or "").rpartition("models/")[2]
        return replace(prompt, model=prompt.model or None, streaming=True)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a turn; what was spoken is its text where it has no other."""
        answer = gemini.DIALECT.answer(document, head)
        body = mapping(document)
        spoken = text(body.get("outputTranscription"))
        if not answer.text and spoken is not None:
            answer.text = spoken
        answer.finish_reason = answer.finish_reason or filled(body.get("turnCompleteReason"))
        return answer


class LiveAssembler(ResponseAssembler):
    """Put a turn together."""

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Json] = {}
        self._spoken: list[str] = []
        self._others: dict[str, Json] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one message; return whether it carried content."""
        body = mapping(payload)
        content = mapping(body.get("serverContent"))
        self._add_usage(mapping(body.get("usageMetadata")))
        spoken = text(mapping(content.get("outputTranscription")).get("text"))
        if spoken:
            self._spoken.append(spoken)
        if reason := content.get("turnCompleteReason"):
            self._others["turnCompleteReason"] = reason
        candidate: dict[str, Json] = {}
        if grounding := content.get("groundingMetadata"):
            candidate["groundingMetadata"] = grounding
        parts = items(mapping(content.get("modelTurn")).get("parts"))
        calls = items(mapping(body.get("toolCall")).get("functionCalls"))
        parts = [*parts, *({"functionCall": call} for call in calls)]
        if parts:
            candidate["content"] = {"role": "model", "parts": parts}
        if "serverContent" in body or candidate:
            return super().add({"candidates": [candidate]}, event) and bool(parts or spoken)
        return False

    def _add_usage(self, usage: dict[str, Json]) -> None:
        """Add usage up: each message counts what was used since the one before it."""
        for name, value in usage.items():
            known = self._usage.get(name)
            if isinstance(value, list):
                self._usage[name] = [*items(known), *value]
            elif type(value) is int and type(known) is int:
                self._usage[name] = known + value
            else:
                self._usage[name] = value

    def document(self) -> Json:
        """Return the turn as an answer of generateContent."""
        document = super().document()
        if document is None and not self._usage:
            return None
        document = {**mapping(document), **self._others}
        if self._usage:
            document["usageMetadata"] = self._usage
        if self._spoken:
            document["outputTranscription"] = "".join(self._spoken)
        return document


DIALECT = GeminiLive()
