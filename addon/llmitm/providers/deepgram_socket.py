"""Deepgram's sockets: sound to text, charged by its seconds, and text to sound, charged by its characters.

A transcription is one turn, whose length the server tells as it closes. Of one that is cut off, the last result tells
how far it came. Speech is a turn for each `Flush`. https://developers.deepgram.com/reference
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmitm.calls import Endpoint, Json
from llmitm.providers.fields import count, filled, first, items, mapping, number, text
from llmitm.providers.sockets import CONTENT, SocketFrame, Turn, as_request
from llmitm.wire.jsontext import parse_or_none

_MOST_TEXT = 1024 * 1024
"""Characters that are kept of one turn: a socket may listen for days."""


class ListenSocket:
    """Read a socket that transcribes."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = replace(endpoint, operation="transcription")
        self._turn: Turn | None = None
        self._heard = _Heard()

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""
        if frame.from_client:
            if not frame.is_text:
                self._begun(frame).request_bytes += len(frame.data)
            return ()
        message = parse_or_none(frame.data)
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "Results" and self._turn is not None:
            # The first words tell when there were any; those that count come again as they become final.
            is_new = self._heard.add(message) and not self._turn.lines
            self._turn.received(frame, CONTENT if is_new else None)
        elif kind == "Metadata":
            self._heard.metadata = message
            turn = self._begun(frame)
            turn.is_whole = True
            return (self._ended(turn, frame),)
        return ()

    def close(self, at: float) -> Sequence[Turn]:
        """Return the transcription that was cut off."""
        turn = self._turn
        if turn is None:
            return ()
        return (self._ended(turn, SocketFrame(False, b"", True, at)),)

    def _begun(self, frame: SocketFrame) -> Turn:
        if self._turn is None:
            self._turn = Turn(self._endpoint, frame.at, as_request({}))
        return self._turn

    def _ended(self, turn: Turn, frame: SocketFrame) -> Turn:
        turn.received(frame, self._heard.answer())
        self._turn, self._heard = None, _Heard()
        return turn


class _Heard:
    """What has been heard so far."""

    def __init__(self) -> None:
        self.metadata: dict[str, Json] = {}
        self._said: dict[int, list[str]] = {}
        self._length = 0
        self._seconds: int | float = 0
        self._channels = 1

    def add(self, result: dict[str, Json]) -> bool:
        """Take a result, return whether it has words."""
        start, length = number(result.get("start")), number(result.get("duration"))
        if start is not None and length is not None:
            self._seconds = max(self._seconds, start + length)
        index = [place for place in items(result.get("channel_index")) if count(place) is not None]
        channel, channels = index if len(index) == 2 else (0, 1)
        self._channels = max(self._channels, channels)
        self.metadata = self.metadata or mapping(result.get("metadata"))
        said = text(first(mapping(result.get("channel")).get("alternatives")).get("transcript"))
        if said and result.get("is_final") is True and self._length < _MOST_TEXT:
            self._length += len(said)
            self._said.setdefault(channel, []).append(said)
        return bool(said)

    def answer(self) -> Json:
        """Return the answer that a recording would have had."""
        told = {"duration": self._seconds, "channels": self._channels, **self.metadata}
        channels = [
            {"alternatives": [{"transcript": " ".join(said)}]}
            for _, said in sorted(self._said.items())
        ]
        return {"metadata": told, "results": {"channels": channels}}


class SpeakSocket:
    """Read a socket that speaks."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = replace(endpoint, operation="speech")
        self._turn: Turn | None = None
        self._flushed: list[Turn] = []
        self._texts: list[str] = []

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""
        message = mapping(parse_or_none(frame.data)) if frame.is_text else {}
        kind = message.get("type")
        if frame.from_client:
            self._sent(kind, message, frame)
            return ()
        speaking = self._flushed[0] if self._flushed else self._turn
        if speaking is None:
            return ()
        if kind == "Flushed" and self._flushed:
            turn = self._flushed.pop(0)
            turn.received(frame, message)
            turn.is_whole = True
            return (turn,)
        is_sound = not frame.is_text and not speaking.lines
        speaking.received(frame, CONTENT if is_sound else None)
        return ()

    def close(self, at: float) -> Sequence[Turn]:
        """Return what was not spoken to its end."""
        self._flush()
        cut, self._flushed = self._flushed, []
        return cut

    def _sent(self, kind: Json, message: dict[str, Json], frame: SocketFrame) -> None:
        if kind == "Speak" and (said := filled(message.get("text"))):
            if self._turn is None:
                self._turn = Turn(self._endpoint, frame.at)
            self._turn.request_bytes += len(frame.data)
            if self._turn.request_bytes <= _MOST_TEXT:
                self._texts.append(said)
        elif kind == "Flush":
            self._flush()

    def _flush(self) -> None:
        if self._turn is not None:
            self._turn.request = as_request({"text": "".join(self._texts)})
            self._flushed.append(self._turn)
        self._turn, self._texts = None, []
