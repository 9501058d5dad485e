"""ElevenLabs: speech, sound and music out of text, text out of speech.

`character-cost` in the header of an answer is what it took of the account's credits.
https://elevenlabs.io/docs/api-reference (read 2026-11-26)
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json, Prompt, header
from llmitm.providers import error_bodies
from llmitm.providers.base import Dialect, Head, Route
from llmitm.providers.fields import filled, items, mapping, text

_DEFAULTS = (
    ("/v1/text-to-speech/", "eleven_multilingual_v2"),
    ("/v1/text-to-dialogue", "eleven_v3"),
    ("/v1/speech-to-speech/", "eleven_english_sts_v2"),
    ("/v1/sound-generation", "eleven_text_to_sound_v2"),
    ("/v1/music", "music_v1"),
)
"""What makes the sound where the request names no model, by the start of the path."""


class ElevenLabs(Dialect):
    """`POST /v1/text-to-speech/{voice}`, whole or `/stream`, and its neighbours."""

    name = "elevenlabs"
    routes = (
        Route(
            re.compile(
                r"^/v1/(?:(?:text-to-speech|speech-to-speech)/[^/]+|text-to-dialogue|music)"
                r"(?:/stream|/detailed)?(?:/with-timestamps)?/?$"
            ),
            "speech",
        ),
        Route(re.compile(r"^/v1/(?:sound-generation|audio-isolation(?:/stream)?)/?$"), "speech"),
        Route(re.compile(r"^/v1/speech-to-text/?$"), "transcription"),
        Route(
            re.compile(r"^/v1/speech-to-text/transcripts/"),
            "transcription",
            ("GET", "DELETE"),
            counted=False,
        ),
        Route(
            re.compile(r"^/v1/(?:text-to-speech/.*stream-input|speech-to-text/realtime|convai/)"),
            "realtime",
            ("GET",),
        ),
        Route(re.compile(r"^/v1/models/?$"), "models", ("GET",)),
    )

    def endpoint(self, provider: str, method: str, path: str) -> Endpoint | None:
        """Return what a path means, with the model that it has where the request names none."""
        found = super().endpoint(provider, method, path)
        if found is None or found.operation != "speech":
            return found
        model = next((model for start, model in _DEFAULTS if path.startswith(start)), None)
        return replace(found, model=model)

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request, JSON or form."""
        model = filled(mapping(document).get("model_id")) or endpoint.model
        return Prompt(model=model, document=document)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response; sound gives no document."""
        body, error = mapping(document), error_bodies.read(document, head.status)
        detail = mapping(body.get("detail"))
        return Answer(
            response_id=filled(body.get("transcription_id")) or header(head.headers, "request-id"),
            text=_transcript(body) if head.endpoint.operation == "transcription" else None,
            error_type=filled(detail.get("status")) or filled(detail.get("type")) or error.type,
            error_message=error.message,
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return ElevenLabs's error body."""
        return {"detail": {"status": error_type, "message": message}}


def _transcript(body: dict[str, Json]) -> str | None:
    """Return what was said, channel by channel where each has a transcript of its own."""
    channels = items(body.get("transcripts"))
    if not channels:
        return text(body.get("text"))
    return "\n".join(text(mapping(channel).get("text")) or "" for channel in channels)


DIALECT = ElevenLabs()
