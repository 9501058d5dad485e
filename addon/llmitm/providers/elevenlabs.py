"""ElevenLabs: speech, sound and music out of text, text out of speech.

`character-cost` in the header of an answer is what it took of the account's credits.
https://elevenlabs.io/docs/api-reference
"""

from __future__ import annotations

import re
from typing import ClassVar

from llmitm.calls import Answer, Endpoint, Json, Operation, Prompt, header
from llmitm.providers import error_bodies
from llmitm.providers.base import Assembler, Dialect, Head, LastMessage, Route
from llmitm.providers.elevenlabs_socket import SpeechSocket
from llmitm.providers.fields import filled, items, mapping, text
from llmitm.providers.sockets import SocketReader

_WAYS = r"(?:/stream|/detailed)?(?:/with-timestamps)?/?$"


class ElevenLabs(Dialect):
    """What all of its operations have in common."""

    default: ClassVar[str | None] = None
    """The model where a request names none."""

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request, JSON or form."""
        model = filled(mapping(document).get("model_id")) or self.default
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


def _made(path: str, operation: Operation = "speech") -> tuple[Route, ...]:
    return (Route(re.compile(f"^/v1/{path}{_WAYS}"), operation),)


class ElevenLabsSpeech(ElevenLabs):
    """`POST /v1/text-to-speech/{voice}`, whole or as a stream."""

    name = "elevenlabs_speech"
    default = "eleven_multilingual_v2"
    routes = (
        *_made("text-to-speech/[^/]+"),
        Route(
            re.compile(r"^/v1/text-to-speech/[^/]+/(?:multi-)?stream-input"), "realtime", ("GET",)
        ),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of a socket's messages."""
        return LastMessage()

    def socket(self, endpoint: Endpoint, path: str) -> SocketReader | None:
        """Return a reader of a socket's frames."""
        return SpeechSocket(endpoint, path)


class ElevenLabsDialogue(ElevenLabs):
    """`POST /v1/text-to-dialogue`: several voices."""

    name = "elevenlabs_dialogue"
    default = "eleven_v3"
    routes = _made("text-to-dialogue")


class ElevenLabsVoices(ElevenLabs):
    """`POST /v1/speech-to-speech/{voice}`: another voice for a recording."""

    name = "elevenlabs_voices"
    default = "eleven_english_sts_v2"
    routes = _made("speech-to-speech/[^/]+")


class ElevenLabsSounds(ElevenLabs):
    """`POST /v1/sound-generation`."""

    name = "elevenlabs_sounds"
    default = "eleven_text_to_sound_v2"
    routes = _made("sound-generation")


class ElevenLabsMusic(ElevenLabs):
    """`POST /v1/music`."""

    name = "elevenlabs_music"
    default = "music_v1"
    routes = _made("music")


class ElevenLabsOthers(ElevenLabs):
    """Transcripts, recordings without their noise, sockets, lists."""

    name = "elevenlabs"
    routes = (
        *_made("speech-to-text", "transcription"),
        *_made("audio-isolation"),
        Route(
            re.compile(r"^/v1/speech-to-text/transcripts/"),
            "transcription",
            ("GET", "DELETE"),
            counted=False,
        ),
        Route(
            re.compile(r"^/v1/(?:speech-to-text/realtime|convai/)"),
            "realtime",
            ("GET",),
        ),
        Route(re.compile(r"^/v1/models/?$"), "models", ("GET",)),
    )


DIALECTS = (
    ElevenLabsSpeech(),
    ElevenLabsDialogue(),
    ElevenLabsVoices(),
    ElevenLabsSounds(),
    ElevenLabsMusic(),
    ElevenLabsOthers(),
)
