"""Where the calls of a realtime socket begin and end.

A response begins with the client's `response.create`, or with the end of speech where the server decides that it is
its turn, and ends with `response.done`. The transcription of what was spoken is the work of another model, and a
call of its own where it has usage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from llmitm.calls import Endpoint, Json, RateLimit
from llmitm.providers import limit_bodies
from llmitm.providers.fields import filled, items, mapping
from llmitm.providers.sockets import SocketFrame, Turn, as_request
from llmitm.wire.jsontext import parse_or_none

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_APPENDED = b'"input_audio_buffer.append"'
_HEAD = 256
"""Bytes of a frame within which clients name its type."""
_SOUND = ("response.output_audio.delta", "response.audio.delta")
_SPOKEN = ("input_audio_buffer.speech_stopped", "input_audio_buffer.committed")
_MEDIA = ("audio", "image_url")
"""Fields of a part that hold a recording or a picture."""
_LONGEST_MEDIA = 1024
_MOST_ITEMS = 1_000
"""Items that are kept until a response takes them: a client may add some and never ask for one."""
_MOST_TRANSCRIBED = 100
"""Recordings that may be waiting for their transcripts."""
_OF_THE_SESSION = ("instructions", "tools", "tool_choice", "output_modalities", "modalities")


_CHARGED_BY_TIME = ("xai",)
"""Who reports no usage and charges for the minutes that a socket is open.
https://docs.x.ai/developers/models/voice-agent-api (read 2026-11-26)
"""


class RealtimeSocket:
    """Read one socket."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: dict[str, Json] = {}
        self._items: list[dict[str, Json]] = []
        self._item_bytes = 0
        self._asked: tuple[SocketFrame, dict[str, Json]] | None = None
        self._spoken_at: float | None = None
        self._committed: deque[tuple[Json, float]] = deque(maxlen=_MOST_TRANSCRIBED)
        self._limits: tuple[RateLimit, ...] = ()
        self._turns: dict[str, Turn] = {}
        self._charged_until: float | None = None
        self._has_ended = False
        """Whether a turn has come to its end."""

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""
        if self._charged_until is None:
            self._charged_until = frame.at
        if frame.from_client and _APPENDED in frame.data[:_HEAD]:
            self._item_bytes += len(
                frame.data
            )  # by far the most frames, and nothing in them is kept
            return ()
        event = parse_or_none(frame.data)
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str):
            return ()
        if frame.from_client:
            self._sent(kind, event, frame)
            return ()
        return self._received(kind, event, frame)

    def close(self, at: float) -> Sequence[Turn]:
        """Return the turns that were not answered to their end."""
        cut = list(self._turns.values())
        self._turns.clear()
        if self._asked is not None:
            frame, event = self._asked
            cut.append(self._turn(frame.at, event))
            self._asked = None
        if not cut and self._has_ended and at - (self._charged_until or at) >= 1:
            cut += self._rest(at)
        for turn in cut:
            self._charge_time(turn, at)
        return cut

    def _rest(self, at: float) -> Sequence[Turn]:
        """Return the time after the last turn as one, in which nothing was said, where it is charged."""
        if self._endpoint.provider not in _CHARGED_BY_TIME or self._charged_until is None:
            return ()
        request = as_request({"model": self._session.get("model")})
        return (
            Turn(
                self._endpoint,
                self._charged_until,
                request,
                self._item_bytes,
                is_whole=True,
                ended_at=at,
            ),
        )

    def _charge_time(self, turn: Turn, until: float) -> None:
        """Let the time since the last turn that ended fall to this one."""
        if self._endpoint.provider in _CHARGED_BY_TIME and self._charged_until is not None:
            turn.connected_seconds = max(0.0, until - self._charged_until)
            self._charged_until = until

    def _sent(self, kind: str, event: dict[str, Json], frame: SocketFrame) -> None:
        self._item_bytes += len(frame.data)
        if kind == "response.create":
            self._asked = (frame, event)
        elif kind == "conversation.item.create":
            self._add_item(_without_media(mapping(event.get("item"))))

    def _received(self, kind: str, event: dict[str, Json], frame: SocketFrame) -> Sequence[Turn]:
        if kind in ("session.created", "session.updated"):
            self._session = mapping(event.get("session"))
        elif kind in _SPOKEN:
            self._spoken_at = frame.at
            if kind.endswith("committed"):
                self._add_item(_spoken_item(event.get("item_id")))
                self._committed.append((event.get("item_id"), frame.at))
        elif kind == TRANSCRIBED:
            return self._transcribed(event, frame)
        elif kind == "rate_limits.updated":
            self._limits = tuple(limit_bodies.of_realtime(event.get("rate_limits"), frame.at))
        elif kind == "error":
            return self._refused(event, frame)
        elif kind.startswith("response."):
            return self._answered(kind, event, frame)
        return ()

    def _answered(self, kind: str, event: dict[str, Json], frame: SocketFrame) -> Sequence[Turn]:
        response = mapping(event.get("response"))
        key = filled(event.get("response_id")) or filled(response.get("id"))
        if key is None:
            return ()
        turn = self._turns.get(key)
        if turn is None:
            # Sound that still comes for a response that is over begins none.
            if kind not in ("response.created", "response.done"):
                return ()
            turn = self._turns[key] = self._begun(frame)
        if kind in _SOUND:
            event = {"type": kind, "response_id": key}
        elif response:
            model = response.get("model") or self._session.get("model")
            event = {**event, "response": {**response, "model": model}}
        turn.received(frame, event)
        if kind != "response.done":
            return ()
        turn.is_whole = True
        self._has_ended = True
        self._charge_time(turn, frame.at)
        turn.rate_limits, self._limits = self._limits, ()
        del self._turns[key]
        return (turn,)

    def _begun(self, frame: SocketFrame) -> Turn:
        """Return the turn that a response opens, with what was said since the one before it."""
        if self._asked is not None:
            asked, event = self._asked
            self._asked = None
            return self._turn(asked.at, event)
        at = self._spoken_at if self._spoken_at is not None else frame.at
        return self._turn(at, {})

    def _turn(self, at: float, event: dict[str, Json]) -> Turn:
        told = {name: self._session[name] for name in _OF_THE_SESSION if self._session.get(name)}
        given = mapping(event.get("response"))
        asked = {"model": self._endpoint.model} if self._endpoint.model else {}
        request = {**asked, **told, **given}
        if not isinstance(given.get("input"), list):
            request["input"] = self._items
        turn = Turn(self._endpoint, at, as_request(request), self._item_bytes)
        self._items, self._item_bytes, self._spoken_at = [], 0, None
        return turn

    def _refused(self, event: dict[str, Json], frame: SocketFrame) -> Sequence[Turn]:
        """Return the call that an error answers: other events of the client's may be wrong too."""
        if self._asked is None:
            return ()
        asked, asked_event = self._asked
        about = filled(mapping(event.get("error")).get("event_id"))
        if about is not None and about != asked_event.get("event_id"):
            return ()
        self._asked = None
        turn = self._turn(asked.at, asked_event)
        turn.received(frame, event)
        turn.is_whole = True
        return (turn,)

    def _transcribed(self, event: dict[str, Json], frame: SocketFrame) -> Sequence[Turn]:
        for item in self._items:
            if item.get("id") == event.get("item_id") and item.get("id") is not None:
                item["content"] = [{"type": "input_audio", "transcript": event.get("transcript")}]
        if not mapping(event.get("usage")):
            return ()
        model = _transcriber(self._session)
        endpoint = replace(self._endpoint, operation="transcription", model=None)
        told = [at for item_id, at in self._committed if item_id == event.get("item_id")]
        at = told[0] if told else frame.at
        turn = Turn(endpoint, at, as_request({"model": model}))
        turn.received(frame, {**event, "model": model})
        turn.is_whole = True
        return (turn,)

    def _add_item(self, item: dict[str, Json]) -> None:
        if len(self._items) < _MOST_ITEMS:
            self._items.append(item)


def _transcriber(session: dict[str, Json]) -> str | None:
    """Return the model that transcribes what is spoken; the beta and Voice Live name it at the top."""
    today = mapping(mapping(session.get("audio")).get("input")).get("transcription")
    return filled(mapping(today or session.get("input_audio_transcription")).get("model"))


def _spoken_item(item_id: Json) -> dict[str, Json]:
    return {
        "id": item_id,
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio"}],
    }


def _without_media(item: dict[str, Json]) -> dict[str, Json]:
    parts = items(item.get("content"))
    if not parts:
        return item
    return {**item, "content": [_without_long(part) for part in parts]}


def _without_long(part: Json) -> Json:
    if not isinstance(part, dict):
        return part
    return {
        name: value
        for name, value in part.items()
        if name not in _MEDIA or len(str(value)) <= _LONGEST_MEDIA
    }
