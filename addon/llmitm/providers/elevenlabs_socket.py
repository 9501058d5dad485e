"""ElevenLabs's sockets for speech: text comes in pieces, and what is charged are its characters.

A turn is a context, on the socket that has several (`multi-stream-input`), else all of the socket: the server says
`isFinal` where it is over. https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-stream-input
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from llmitm.calls import Endpoint, Json
from llmitm.providers.fields import filled, text
from llmitm.providers.sockets import CONTENT, SocketFrame, Turn, as_request
from llmitm.wire.jsontext import parse_or_none

_BEGIN = " "
"""The text with which a client opens a socket or a context: it is not spoken."""
_MOST_TEXT = 1024 * 1024
_SOUND = ("audio", "audio_base_64", "alignment", "normalizedAlignment")


class SpeechSocket:
    """Read one socket."""

    def __init__(self, endpoint: Endpoint, path: str) -> None:
        model = dict(parse_qsl(path.partition("?")[2])).get("model_id")
        self._model: dict[str, Json] = {"model_id": model} if model else {}
        self._endpoint = replace(endpoint, operation="speech", dialect="elevenlabs_speech")
        self._turns: dict[str | None, Turn] = {}
        self._texts: dict[str | None, list[str]] = {}

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""
        message = parse_or_none(frame.data)
        if not isinstance(message, dict):
            return ()
        context = filled(message.get("context_id")) or filled(message.get("contextId"))
        if frame.from_client:
            self._sent(message, context, frame)
            return ()
        turn = self._turns.get(context)
        if turn is None:
            return ()
        is_final = message.get("isFinal") is True or message.get("is_final") is True
        if is_final or "error" in message:
            turn.received(frame, {key: message[key] for key in message if key not in _SOUND})
        else:
            turn.received(frame, None if turn.lines else CONTENT)
        return [self._ended(context, is_whole=True)] if is_final else ()

    def _sent(self, message: dict[str, Json], context: str | None, frame: SocketFrame) -> None:
        said = text(message.get("text"))
        if not said or (said == _BEGIN and context not in self._turns):
            return
        turn = self._turns.setdefault(context, Turn(self._endpoint, frame.at))
        turn.request_bytes += len(frame.data)
        if turn.request_bytes <= _MOST_TEXT:
            self._texts.setdefault(context, []).append(said)
        else:
            turn.is_truncated = True

    def _ended(self, context: str | None, *, is_whole: bool) -> Turn:
        turn = self._turns.pop(context)
        said = "".join(self._texts.pop(context, ()))
        turn.request, turn.is_whole = as_request({**self._model, "text": said}), is_whole
        return turn

    def close(self, at: float) -> Sequence[Turn]:
        """Return the turns that were not spoken to their end."""
        return [self._ended(context, is_whole=False) for context in list(self._turns)]
