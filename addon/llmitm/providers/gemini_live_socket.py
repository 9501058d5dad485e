"""Where the turns of a Gemini Live socket begin and end.

Messages have no type: the first key tells what they are, in camel case or snake case, and they may be binary. A turn
is over with `turnComplete`, also where the model was interrupted. Transcripts come in no order with the rest.
https://ai.google.dev/api/live
"""

from __future__ import annotations

from collections.abc import Sequence

from llmitm.calls import Endpoint, Json
from llmitm.providers.fields import filled, items, mapping
from llmitm.providers.sockets import SocketFrame, Turn, as_request
from llmitm.wire.jsontext import parse_or_none

_MOST_CONTENTS = 1_000
_SOUND_IN = (b'"realtimeInput"', b'"realtime_input"')
_HEAD = 64
"""Bytes of a frame within which its first key stands."""
_LARGE = 4096
"""Bytes from which such a message is sound or video, and is not looked into."""
_OF_THE_SETUP = ("model", "systemInstruction", "system_instruction", "tools", "generationConfig")


class LiveSocket:
    """Read one socket."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._setup: dict[str, Json] = {}
        self._contents: list[Json] = []
        self._heard: list[str] = []
        self._sent_bytes = 0
        self._asked_at: float | None = None
        self._turn: Turn | None = None
        self._has_work = False
        """Whether the turn has anything but a transcript, which may be that of the turn before it."""
        self._has_sound = False

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""
        if frame.from_client and len(frame.data) >= _LARGE:
            head = frame.data[:_HEAD]
            if any(key in head for key in _SOUND_IN):
                self._sent_bytes += len(frame.data)
                return ()
        message = parse_or_none(frame.data)
        if not isinstance(message, dict):
            return ()
        if frame.from_client:
            self._sent(message, frame)
            return ()
        return self._received(message, frame)

    def close(self, at: float) -> Sequence[Turn]:
        """Return the turn that was not answered to its end."""
        turn, self._turn = self._turn, None
        if turn is not None and self._has_work:
            return (turn,)
        if self._asked_at is not None:
            return (self._begun(self._asked_at),)
        return ()

    def _sent(self, message: dict[str, Json], frame: SocketFrame) -> None:
        self._sent_bytes += len(frame.data)
        if "setup" in message:
            self._setup = mapping(message["setup"])
        content = _either(message, "clientContent", "client_content")
        self._add(items(content.get("turns")))
        spoken = _either(message, "realtimeInput", "realtime_input")
        if said := filled(spoken.get("text")):
            self._add([{"role": "user", "parts": [{"text": said}]}])
        results = _either(message, "toolResponse", "tool_response")
        told = items(results.get("functionResponses") or results.get("function_responses"))
        self._add(
            [{"role": "user", "parts": [{"functionResponse": each} for each in told]}] * bool(told)
        )
        done = content.get("turnComplete", content.get("turn_complete"))
        if done or said or "activityEnd" in spoken or "activity_end" in spoken:
            self._asked_at = frame.at

    def _add(self, contents: Sequence[Json]) -> None:
        room = _MOST_CONTENTS - len(self._contents)
        self._contents += contents[: max(0, room)]

    def _received(self, message: dict[str, Json], frame: SocketFrame) -> Sequence[Turn]:
        content = mapping(message.get("serverContent"))
        if heard := filled(mapping(content.get("inputTranscription")).get("text")):
            self._heard.append(heard)
        works = any(key in content for key in ("modelTurn", "turnComplete", "generationComplete"))
        works = works or "toolCall" in message or "usageMetadata" in message
        if not works and "outputTranscription" not in content:
            if self._turn is not None:
                self._turn.received(frame)
            return ()
        if self._turn is None:
            begun_at = self._asked_at if self._asked_at is not None else frame.at
            self._turn = self._begun(begun_at)
        turn = self._turn
        self._has_work |= works
        turn.received(frame, self._kept(message, content))
        if content.get("turnComplete") is not True:
            return ()
        turn.is_whole = True
        self._turn, self._has_work, self._has_sound = None, False, False
        return (turn,)

    def _begun(self, at: float) -> Turn:
        """Return a new turn, with what was said since the one before it."""
        if self._heard:
            self._add([{"role": "user", "parts": [{"text": "".join(self._heard)}]}])
        told = {name: self._setup[name] for name in _OF_THE_SETUP if name in self._setup}
        request = as_request({**told, "contents": self._contents})
        turn = Turn(self._endpoint, at, request, self._sent_bytes)
        self._contents, self._heard, self._sent_bytes, self._asked_at = [], [], 0, None
        return turn

    def _kept(self, message: dict[str, Json], content: dict[str, Json]) -> Json:
        """Return what is kept of a message: all but sound, of which the first piece tells when it began."""
        parts = items(mapping(content.get("modelTurn")).get("parts"))
        if not any("inlineData" in mapping(part) for part in parts):
            return message
        kept: list[Json] = []
        for part in parts:
            data = mapping(mapping(part).get("inlineData"))
            if not data:
                kept.append(part)
            elif not self._has_sound:
                self._has_sound = True
                kept.append({"inlineData": {"mimeType": data.get("mimeType")}})
        return {**message, "serverContent": {**content, "modelTurn": {"parts": kept}}}


def _either(message: dict[str, Json], camel: str, snake: str) -> dict[str, Json]:
    return mapping(message.get(camel) or message.get(snake))
