"""WebSockets, which carry many calls: frames of both directions in, turns out as they end.

A dialect that speaks on sockets gives a `SocketReader` for each (`Dialect.socket`). The reader says where a turn
begins and ends, and makes of it what a call over HTTP would have been: a request document, and the events that a
stream would have had. A dialect reads these as it reads every other call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from llmitm.calls import Endpoint, Json, RateLimit
from llmitm.wire.jsontext import compact

_MOST_KEPT = 32 * 1024 * 1024
"""Bytes of events that are kept of one turn."""

CONTENT: Json = {"type": "content"}
"""What is kept in place of the first sound or words of a turn whose last message is the whole answer."""


class SocketFrame(NamedTuple):
    """One message, whole."""

    from_client: bool
    data: bytes
    is_text: bool
    at: float
    """Seconds since the epoch, UTC."""


@dataclass(slots=True)
class Turn:
    """One call of a socket, as it grows."""

    endpoint: Endpoint
    started_at: float
    """When it was asked for: seconds since the epoch, UTC."""
    request: bytes = b""
    """JSON, as the dialect's `prompt` reads it."""
    request_bytes: int = 0
    """What the client has sent for it."""
    response_bytes: int = 0
    status: int | None = None
    """Where an event names an HTTP status."""
    is_whole: bool = False
    """True where it came to its end."""
    rate_limits: Sequence[RateLimit] = ()
    connected_seconds: float | None = None
    """Where the time that a socket is open is charged: how long it was since the turn before this one."""
    lines: list[bytes] = field(default_factory=list)
    """What is kept of its events: JSON, each with a line end."""
    times: list[float] = field(default_factory=list)
    """When each of them came."""
    first_byte_at: float | None = None
    ended_at: float | None = None
    is_truncated: bool = False
    _kept: int = 0

    def received(self, frame: SocketFrame, event: Json = None) -> None:
        """Take a frame of the server's, of which `event` is kept: None where that is nothing."""
        self.response_bytes += len(frame.data)
        if self.first_byte_at is None:
            self.first_byte_at = frame.at
        self.ended_at = frame.at
        if event is None:
            return
        if self._kept >= _MOST_KEPT:
            self.is_truncated = True
            return
        line = compact(event).encode("utf-8", "surrogatepass") + b"\n"
        self._kept += len(line)
        self.lines.append(line)
        self.times.append(frame.at)


class SocketReader(Protocol):
    """Read one socket. Takes any frame, and never raises."""

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        """Take a frame, return the turns that end with it."""

    def close(self, at: float) -> Sequence[Turn]:
        """Return the turns that the end of the socket has cut off, or ended."""


def as_request(document: Json) -> bytes:
    """Return a request document as the body of a call."""
    return compact(document).encode("utf-8", "surrogatepass")
