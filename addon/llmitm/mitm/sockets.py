"""The frames of WebSockets on their way to the recorder's thread, which reads them.

Nothing is parsed here: a frame costs the event loop an append, and the recorder is told only where it has nothing of
the socket waiting already. What waits is bounded over all sockets; beyond that frames pass unseen, large ones, which
are sound, first, and the turn that lacks some says so.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from llmitm.calls import Ending, Endpoint, Exchange
from llmitm.mitm.guard import note_fault
from llmitm.providers.dialects import by_name
from llmitm.providers.hosts import HostTable
from llmitm.providers.sockets import SocketFrame, SocketReader
from llmitm.recorder import Source
from llmitm.sockets import SocketCalls
from llmitm.wire.jsontext import compact

_SOCKET = "llmitm_socket"
_WITH_HTTP_FORM = "openai_responses"
"""The dialect whose sockets say nothing that a call over HTTP could not; a realtime socket has no other form."""
_REFUSED = "llmitm was told to refuse WebSockets to the Responses API; make the call over HTTP"
_CLOSED_WELL = (None, 1000, 1001, 1005)
"""Done, going away, and closed without a code: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1"""
_MOST_BYTES_WAITING = 64 * 1024 * 1024
_SMALL = 16 * 1024
"""Bytes up to which a frame may take the last quarter too: it may tell that a turn ends, and what it used."""
_FRAME_BYTES = 300
"""What a frame takes beside its bytes."""


@dataclass(slots=True)
class Room:
    """How much waits, of all sockets. Each count is written by one thread only, so neither needs a lock."""

    most: int = _MOST_BYTES_WAITING
    taken_in: int = 0
    let_out: int = 0

    def has(self, size: int) -> bool:
        """Return whether a frame of this size may wait."""
        free = self.most - (self.taken_in - self.let_out)
        return size <= free if size <= _SMALL else size <= free - self.most // 4


@dataclass(frozen=True, slots=True)
class _End:
    at: float
    ending: Ending
    error_message: str | None


class Socket:
    """One socket: its frames come in on the event loop, its calls go out on the recorder's thread."""

    def __init__(
        self,
        handshake: Exchange,
        reader: SocketReader,
        room: Room,
        follow: Callable[[Source], None],
    ) -> None:
        self._handshake = handshake
        self._calls = SocketCalls(handshake, reader)
        self._room = room
        self._follow = follow
        self._waiting: deque[SocketFrame | _End] = deque()
        self._is_followed = False
        self._unseen = 0

    def feed(self, message: WebSocketMessage) -> None:
        """Take a frame."""
        size = len(message.content) + _FRAME_BYTES
        if not self._room.has(size):
            self._unseen += 1
            return
        self._room.taken_in += size
        is_text = message.type is Opcode.TEXT
        self._put(SocketFrame(message.from_client, message.content, is_text, message.timestamp))

    def close(self, ending: Ending, error_message: str | None, *, is_failure: bool = False) -> None:
        """Take the end of the socket."""
        if is_failure:
            self._handshake.ending, self._handshake.error_message = ending, error_message
        self._put(_End(time.time(), ending, error_message))

    def _put(self, item: SocketFrame | _End) -> None:
        self._waiting.append(item)
        if not self._is_followed:
            self._is_followed = True
            self._follow(self)

    def take(self) -> list[Exchange]:
        """Read what waits, return the calls that have ended."""
        self._is_followed = False  # before looking: what comes meanwhile is read now, or told again
        ended: list[Exchange] = []
        while self._waiting:
            item = self._waiting.popleft()
            try:
                ended += self._read(item)
            except Exception:
                note_fault("reading a socket")
                if isinstance(item, _End):
                    ended.append(self._handshake)
        for exchange in ended:
            exchange.frames_unseen, self._unseen = self._unseen, 0
        return ended

    def _read(self, item: SocketFrame | _End) -> list[Exchange]:
        if isinstance(item, _End):
            return self._calls.close(item.at, item.ending, item.error_message)
        self._room.let_out += len(item.data) + _FRAME_BYTES
        return self._calls.feed(item)


class Sockets:
    """All sockets, by their flows."""

    def __init__(
        self, hosts: HostTable, follow: Callable[[Source], None], refuse_responses: bool = False
    ) -> None:
        self._hosts = hosts
        self._follow = follow
        self._refuses = refuse_responses
        self._room = Room()

    def refusal(self, endpoint: Endpoint, request: http.Request) -> http.Response | None:
        """Return the answer to an upgrade that the settings refuse; None where it may go on."""
        if not self._refuses or endpoint.dialect != _WITH_HTTP_FORM or not is_upgrade(request):
            return None
        return use_http(_REFUSED)

    def start(self, flow: http.HTTPFlow, handshake: Exchange) -> None:
        """Follow a socket whose turns can be told apart; `handshake` is then all that has been seen of it."""
        entry = self._hosts.find(handshake.host, handshake.port)
        endpoint = self._hosts.endpoint(entry, handshake.method, handshake.path) if entry else None
        if endpoint is None or endpoint.dialect is None:
            return
        reader = by_name(endpoint.dialect).socket(endpoint, handshake.path)
        if reader is not None:
            flow.metadata[_SOCKET] = Socket(handshake, reader, self._room, self._follow)

    def message(self, flow: http.HTTPFlow, message: WebSocketMessage) -> None:
        """Take a frame."""
        socket: Socket | None = flow.metadata.get(_SOCKET)
        if socket is not None:
            socket.feed(message)

    def end(self, flow: http.HTTPFlow) -> bool:
        """Take the end of a flow, return whether it was a socket that is followed."""
        socket: Socket | None = flow.metadata.pop(_SOCKET, None)
        if socket is None:
            return False
        data = flow.websocket
        if data is None or data.closed_by_client is not False:
            socket.close("client_gone", None)
            return True
        # Errors on a socket are mostly told as it is closed.
        told = f"closed with {data.close_code}: {data.close_reason or 'no reason given'}"
        socket.close("upstream_broke", told, is_failure=data.close_code not in _CLOSED_WELL)
        return True


def use_http(message: str) -> http.Response:
    """Return the refusal of a WebSocket to the Responses API.

    426 is what makes Codex and Copilot go over to HTTP at once: at 400 they give up, at others they try again.
    """
    body = by_name(_WITH_HTTP_FORM).error(426, "websocket_refused", message)
    return http.Response.make(
        426, compact(body), {"content-type": "application/json", "upgrade": "HTTP/1.1"}
    )


def is_upgrade(request: http.Request) -> bool:
    """Tell whether a request asks for a WebSocket."""
    upgrade: str = request.headers.get("upgrade", "")
    return upgrade.lower() == "websocket"
