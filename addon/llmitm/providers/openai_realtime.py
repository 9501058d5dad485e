"""OpenAI's realtime API, also at Azure, Azure Voice Live and xAI: a call for each response.

What a response cost is in its `response.done`; what was said before is input again, so a session's cost is their sum.
Sound is not kept, its transcript is. https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers import openai_responses
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import filled, items, mapping, text
from llmitm.providers.openai_base import OpenAIDialect
from llmitm.providers.openai_realtime_socket import TRANSCRIBED, RealtimeSocket
from llmitm.providers.openai_response_stream import ResponseAssembler
from llmitm.providers.sockets import SocketReader

_TEXT_PIECES = "response.text.delta"
_SOUND_PIECES = ("response.output_audio_transcript.delta", "response.audio_transcript.delta")
"""What the beta and Voice Live say beside the names of today."""


class OpenAIRealtime(OpenAIDialect):
    """`GET .../realtime`, a socket."""

    name = "openai_realtime"
    routes = (Route(re.compile(r"/(?:realtime|voice-live/realtime)/?$"), "realtime", ("GET",)),)

    def assembler(self, endpoint: Endpoint) -> RealtimeAssembler:
        """Return an assembler of events."""
        return RealtimeAssembler()

    def socket(self, endpoint: Endpoint, path: str) -> SocketReader | None:
        """Return a reader of a socket's frames."""
        return RealtimeSocket(endpoint)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response, or the transcript of what was spoken to the model."""
        if head.endpoint.operation == "transcription":
            answer = super().answer(document, head)
            answer.text = text(mapping(document).get("text"))
            return answer
        answer = openai_responses.DIALECT.answer(
            document, replace(head, endpoint=replace(head.endpoint, operation="chat"))
        )
        body = mapping(document)
        if "output" in body:
            answer.text = "".join(map(_said, items(body.get("output"))))
        failed = mapping(mapping(body.get("status_details")).get("error"))
        answer.error_type = answer.error_type or filled(failed.get("type"))
        answer.error_message = answer.error_message or filled(failed.get("message"))
        return answer


def _said(item: Json) -> str:
    """Return the text of a message, or the transcript of its sound."""
    parts = map(mapping, items(mapping(item).get("content")))
    return "".join(text(part.get("text")) or text(part.get("transcript")) or "" for part in parts)


class RealtimeAssembler(ResponseAssembler):
    """Collect the events of one response; its terminal event has another name than on the Responses API."""

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        body = mapping(payload)
        kind = body.get("type")
        if kind == TRANSCRIBED:
            return super().add({"response": _transcription(body)}, None)
        if kind == _TEXT_PIECES or kind in _SOUND_PIECES:
            # Read as text: what a response lacks where it was cut off is what it had said.
            body = {**body, "type": "response.output_text.delta"}
            return super().add(body, None)
        return super().add(payload, event)


def _transcription(body: dict[str, Json]) -> Json:
    return {
        "id": body.get("item_id"),
        "model": body.get("model"),
        "text": body.get("transcript"),
        "usage": body.get("usage"),
    }


DIALECT = OpenAIRealtime()
