"""The Responses API over a WebSocket, the default transport of Codex: one call for each `response.create`.

Requests of one lane (`stream_id`) are answered in their order; those that name none share one. The events are those
of a stream, one a frame. A request sends what is new and names the response that it goes on from.
https://platform.openai.com/docs/guides/websocket-mode
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from llmitm.calls import Endpoint, Json, Operation
from llmitm.providers import limit_bodies
from llmitm.providers.fields import count, filled, mapping
from llmitm.providers.sockets import SocketFrame, Turn
from llmitm.wire.jsontext import parse_or_none

_TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)
_MOST_ENDED = 64
"""Responses that are remembered to have ended."""


class ResponsesSocket:
    """Read one socket."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lanes: dict[str | None, deque[Turn]] = {}
        self._ended: deque[str] = deque(maxlen=_MOST_ENDED)

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""
        event = parse_or_none(frame.data)
        if not isinstance(event, dict):
            return ()
        lane = filled(event.get("stream_id"))
        if frame.from_client:
            if event.get("type") == "response.create":
                self._lanes.setdefault(lane, deque()).append(self._turn(frame, event))
            return ()
        return self._received(frame, event, lane)

    def _turn(self, frame: SocketFrame, event: dict[str, Json]) -> Turn:
        # A warm-up generates nothing, and what it reports to have used is charged all the same.
        operation: Operation = "other" if event.get("generate") is False else "chat"
        endpoint = replace(self._endpoint, operation=operation)
        return Turn(endpoint, frame.at, frame.data, len(frame.data))

    def _received(
        self, frame: SocketFrame, event: dict[str, Json], lane: str | None
    ) -> Sequence[Turn]:
        response_id = filled(mapping(event.get("response")).get("id"))
        if response_id in self._ended:
            return ()  # `response.failed` may follow an `error`
        waiting = self._waiting(lane)
        if not waiting:
            return ()
        turn = waiting[0]
        turn.received(frame, event)
        kind = filled(event.get("type"))
        if kind == limit_bodies.CODEX_EVENT:
            turn.rate_limits = limit_bodies.of_codex(event, frame.at)
        if kind not in _TERMINAL:
            return ()
        turn.status = count(event.get("status"))
        if response_id:
            self._ended.append(response_id)
        waiting.popleft()
        turn.is_whole = True
        return (turn,)

    def _waiting(self, lane: str | None) -> deque[Turn] | None:
        """Return the turns of a lane; where an event names none, those of the only lane there is."""
        for name in [name for name, turns in self._lanes.items() if not turns]:
            del self._lanes[name]
        if lane is None and len(self._lanes) == 1:
            return next(iter(self._lanes.values()))
        return self._lanes.get(lane)

    def close(self, at: float) -> Sequence[Turn]:
        """Return the turns that were not answered to their end."""
        cut = [turn for turns in self._lanes.values() for turn in turns]
        self._lanes.clear()
        return cut
