"""The turns of a WebSocket as exchanges of their own, each to be read, priced and logged like any other call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmitm.calls import Ending, Exchange, SocketTurn
from llmitm.ids import new_id
from llmitm.providers.sockets import SocketFrame, SocketReader, Turn

SWITCHED = 101
"""The status of a handshake that succeeded, and of a turn that names no other."""

_OF_THE_HANDSHAKE = ("content-type", "content-length", "upgrade", "connection", "sec-websocket-")
_EVENTS = ("content-type", "application/x-ndjson")
"""How the chunks of a turn are to be read: its events, one a line."""


class SocketCalls:
    """The calls of one socket, in the order in which they end."""

    def __init__(self, handshake: Exchange, reader: SocketReader) -> None:
        self._handshake = handshake
        self._reader = reader
        self._has_turns = False

    def feed(self, frame: SocketFrame) -> list[Exchange]:
        """Take a frame, return the calls that end with it."""
        return self._exchanges(self._reader.feed(frame))

    def close(
        self, at: float, ending: Ending = "client_gone", error_message: str | None = None
    ) -> list[Exchange]:
        """Return the calls that the socket's end cut off; a socket without any turn is a call itself."""
        cut = self._reader.close(at)
        exchanges = self._exchanges(cut)
        for turn, exchange in zip(cut, exchanges, strict=True):
            if not turn.is_whole:
                exchange.ending = ending
                exchange.error_message = error_message or "the socket was closed"
        return exchanges if self._has_turns else [self._handshake]

    def _exchanges(self, turns: Sequence[Turn]) -> list[Exchange]:
        self._has_turns |= bool(turns)
        return [_exchange(turn, self._handshake) for turn in turns]


def _exchange(turn: Turn, handshake: Exchange) -> Exchange:
    start = turn.started_at

    def since(at: float | None) -> float | None:
        return None if at is None else max(0.0, (at - start) * 1000)

    kept = [
        (name, value)
        for name, value in handshake.response_headers
        if not name.lower().startswith(_OF_THE_HANDSHAKE)
    ]
    return replace(
        handshake,
        id=new_id(start),
        started_at=start,
        request_body=turn.request,
        status=turn.status or SWITCHED,
        response_headers=[*kept, _EVENTS],
        chunks=turn.lines,
        chunk_times=[since(at) or 0.0 for at in turn.times],
        first_byte_ms=since(turn.first_byte_at),
        latency_ms=since(turn.ended_at),
        ending="complete",
        error_message=None,
        response_truncated=turn.is_truncated,
        turn=SocketTurn(
            handshake.id,
            turn.endpoint,
            turn.request_bytes,
            turn.response_bytes,
            turn.rate_limits,
            turn.connected_seconds,
        ),
    )
