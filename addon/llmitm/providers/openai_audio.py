"""Audio: speech out of text, text out of speech, both whole or streamed. Requests with a recording are forms."""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import mapping, text
from llmitm.providers.openai_base import OpenAIDialect

_DEPLOYMENT = r"(?:/deployments/(?P<model>[^/]+))?"


class OpenAIAudio(OpenAIDialect):
    """`POST .../audio/{speech,transcriptions,translations}`, xAI's `/v1/tts` and `/v1/stt`, MiniMax's `/v1/t2a_v2`.

    Speech is bytes of sound, a transcript may be plain text or subtitles: neither gives a document.
    """

    name = "openai_audio"
    routes = (
        Route(re.compile(_DEPLOYMENT + r"/(?:audio/speech|v1/tts|v1/t2a_v2)/?$"), "speech"),
        Route(
            re.compile(_DEPLOYMENT + r"/(?:audio/(?:transcriptions|translations)|v1/stt)/?$"),
            "transcription",
        ),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return AudioAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        if head.endpoint.operation == "transcription":
            answer.text = text(mapping(document).get("text"))
        return answer


class AudioAssembler(Assembler):
    """Collect `transcript.text.*` and `speech.audio.*` events, Mistral's `transcription.*` among them."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._text: list[str] = []
        self._audio: list[str] = []
        self._segments: list[Json] = []
        self._empty = True

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried text or sound."""
        if not isinstance(payload, dict):
            return False
        self._empty = False
        content = False
        kind = payload.get("type")
        if kind == "transcription.segment":
            self._segments.append({key: part for key, part in payload.items() if key != "type"})
            return True
        growing = "text" if kind == "transcription.text.delta" else "delta"
        for key, value in payload.items():
            if key == growing and isinstance(value, str):
                self._text.append(value)
                content = True
            elif key in ("audio", "audio_data") and isinstance(value, str):
                self._audio.append(value)
                content = True
            elif key not in ("type", "obfuscation") and value is not None:
                self._document[key] = value
        return content

    def document(self) -> Json:
        """Return the transcript, or the sound in pieces of base64."""
        if self._empty:
            return None
        document = dict(self._document)
        if self._text and "text" not in document:
            document["text"] = "".join(self._text)
        if self._segments and not document.get("segments"):
            document["segments"] = self._segments
        if self._audio:
            document["audio"] = self._audio
        return document


DIALECT = OpenAIAudio()
