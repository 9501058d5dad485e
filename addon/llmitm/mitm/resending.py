"""Attempts inside mitmproxy's HTTP layer: an answer that may be given up is held, and the request sent again.

Nothing is decided here. A `Course`, put into the flow's metadata once the request is whole, says of each answer whether
it passes, and a hook (`llm_attempt`) waits and changes the request before it goes out again. The answer that is kept goes
on through mitmproxy's own states, so a stream that was retried streams like any other.

An attempt after the first has a stream id of its own: a connection of HTTP/2 cannot use one twice, and what is still
coming of an earlier attempt has to be told from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar, Literal, Protocol

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

from llmitm.mitm.flights import COURSE, CUT, PACING, PAUSE

_numbers = count(-1, -1)
"""Stream ids of attempts after the first; mitmproxy's own are positive."""

type Pacing = Sequence[tuple[bytes, float]]


class Course(Protocol):
    """What a call does with its attempts."""

    resend: bool
    """Set by the hook: whether the request is to be sent again, as it then is."""
    hold_seconds: float
    """For how long the beginning of a stream is held at most."""
    is_abandoned: Callable[[], bool]
    """Set by the layer: tells whether the client has gone."""

    def begins(self, response: http.Response) -> Literal["pass", "hold"]:
        """Take the headers of an answer; return whether it passes at once."""

    def look(self, data: bytes) -> Literal["pass", "hold", "failed"]:
        """Take a piece of an answer that is held."""

    def ends(self) -> Literal["pass", "failed"]:
        """Take the end of an answer that is held."""

    def breaks(self, message: str, *, connecting: bool) -> None:
        """Take note that an attempt broke: while it was connected, or later."""


@dataclass
class LlmAttemptHook(commands.StartHook):
    """An attempt has failed. The hook waits as long as it is worth, and says whether there is another one."""

    name: ClassVar[str] = "llm_attempt"
    flow: http.HTTPFlow


@dataclass
class LlmPauseHook(commands.StartHook):
    """A replay waits before its next piece."""

    name: ClassVar[str] = "llm_pause"
    flow: http.HTTPFlow


class AttemptingStream(HttpStream):
    """A stream that may send its request more than once."""

    def __init__(self, context: Any, stream_id: int) -> None:
        super().__init__(context, stream_id)
        self._upstream_id = stream_id
        """The id by which the present attempt is known upstream."""
        self._held: list[Any] = []
        self._hold_ends: commands.RequestWakeup | None = None

    # What comes in, and what goes out.

    def _handle_event(self, event: Any) -> CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            if event.command is self._hold_ends and self._held:
                yield from self._renumbered(self._release())
            return
        is_of_upstream = isinstance(event, _OF_UPSTREAM)
        if is_of_upstream and event.stream_id != self._upstream_id:
            return  # of an attempt that was given up
        if isinstance(event, ResponseProtocolError) and self._may_try_again():
            yield from self._break(event)
            return
        if self._upstream_id == self.stream_id:
            yield from super()._handle_event(event)
            return
        if is_of_upstream:
            event = replace(event, stream_id=self.stream_id)
        yield from self._renumbered(super()._handle_event(event))

    def _renumbered(self, generator: CommandGenerator[None]) -> CommandGenerator[None]:
        """Give what is sent upstream the id of the present attempt."""
        reply = None
        while True:
            try:
                command = generator.send(reply)
            except StopIteration:
                return
            if (
                isinstance(command, SendHttp)
                and command.connection is not self.context.client
                and command.event.stream_id == self.stream_id
            ):
                sent = replace(command.event, stream_id=self._upstream_id)
                command = SendHttp(sent, command.connection)
            elif isinstance(command, DropStream):
                self._layer.streams.pop(self._upstream_id, None)
            reply = yield command

    @property
    def _layer(self) -> HttpLayer:
        parent = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent

    @property
    def _course(self) -> Course | None:
        course: Course | None = self.flow.metadata.get(COURSE)
        return course

    # Answers.

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> CommandGenerator[None]:
        """Hold an answer that may be given up."""
        course = self._course
        if course is None or course.begins(event.response) == "pass":
            yield from super().state_wait_for_response_headers(event)
            return
        self._held = [event]
        self.server_state = self.state_hold
        self._hold_ends = commands.RequestWakeup(course.hold_seconds)
        yield self._hold_ends

    def state_hold(
        self, event: ResponseData | ResponseTrailers | ResponseEndOfMessage
    ) -> CommandGenerator[None]:
        """Keep what comes until it is known whether it passes."""
        self._held.append(event)
        course = self._course
        assert course is not None
        verdict: Literal["pass", "hold", "failed"] = "hold"
        if isinstance(event, ResponseData):
            verdict = course.look(event.data)
        elif isinstance(event, ResponseEndOfMessage):
            verdict = course.ends()
        if verdict == "pass":
            yield from self._release()
        elif verdict == "failed":
            has_ended = isinstance(event, ResponseEndOfMessage)
            if (yield from self._decide()):
                yield from self._send_again(cancel=not has_ended)
            elif self.server_state == self.state_hold:
                yield from self._release()

    def _release(self) -> CommandGenerator[None]:
        """Let what was held pass through mitmproxy's own states, before anything that has come meanwhile."""
        held, self._held, self._hold_ends = self._held, [], None
        self.server_state = super().state_wait_for_response_headers
        for event in held:
            # The state changes with each; once the client has gone it takes everything and does nothing.
            state: Any = self.server_state
            yield from state(event)

    def _break(self, event: ResponseProtocolError) -> CommandGenerator[None]:
        """Take it that the provider broke off before anything of an answer has passed."""
        course = self._course
        assert course is not None
        course.breaks(event.message, connecting=False)
        if (yield from self._decide()):
            yield from self._send_again(cancel=False)
            return
        if self.client_state == self.state_errored:
            return
        event = replace(event, stream_id=self.stream_id)
        if self._held:
            yield from self._renumbered(self._release())
        yield from self._renumbered(super()._handle_event(event))

    def state_stream_response_body(
        self, event: ResponseData | ResponseTrailers | ResponseEndOfMessage
    ) -> CommandGenerator[None]:
        """Pass a stream on; end it where it has been cut, and have the provider stop."""
        yield from super().state_stream_response_body(event)
        if isinstance(event, ResponseData) and self.flow.metadata.pop(CUT, False):
            given_up = RequestProtocolError(self._upstream_id, "stream cut", ErrorCode.CANCEL)
            yield SendHttp(given_up, self.context.server)
            yield from super().state_stream_response_body(ResponseEndOfMessage(self.stream_id))

    # Attempts.

    def _may_try_again(self) -> bool:
        return (
            self.server_state in (self.state_wait_for_response_headers, self.state_hold)
            and self.client_state == self.state_done
            and self._course is not None
        )

    def _decide(self) -> CommandGenerator[bool]:
        """Have the hook decide; return whether the request is to be sent again."""
        course = self._course
        assert course is not None
        course.resend = False
        course.is_abandoned = self._is_abandoned
        yield LlmAttemptHook(self.flow)
        if (yield from self.check_killed(True)):
            return False
        return course.resend

    def _is_abandoned(self) -> bool:
        return any(isinstance(event, RequestProtocolError) for event in self._paused_event_queue)

    def _send_again(self, *, cancel: bool) -> CommandGenerator[None]:
        """Send the request, as the hook has left it; `cancel` where the attempt before has not ended."""
        before, server = self._upstream_id, self.context.server
        streams = self._layer.streams
        self._upstream_id = next(_numbers)
        streams[self._upstream_id] = self
        if before != self.stream_id:
            streams.pop(before, None)
        self._held, self._hold_ends = [], None
        self.flow.response = None
        self.server_state = self.state_wait_for_response_headers
        if cancel:
            given_up = RequestProtocolError(before, "attempt given up", ErrorCode.CANCEL)
            yield SendHttp(given_up, server)
        if not (yield from self.make_server_connection()):
            return
        request, content = self.flow.request, self.flow.request.raw_content
        number, server = self._upstream_id, self.context.server
        yield SendHttp(RequestHeaders(number, request, not content), server)
        if content:
            yield SendHttp(RequestData(number, content), server)
        yield SendHttp(RequestEndOfMessage(number), server)

    def make_server_connection(self) -> CommandGenerator[bool]:
        """Connect; a connection that fails is a failed attempt like any other."""
        while (course := self._course) is not None:
            request, server = self.flow.request, self.flow.server_conn
            connection, error = yield GetHttpConnection(
                (request.host, request.port),
                request.scheme == "https",
                server.via,
                server.transport_protocol,
            )
            if error is None:
                self.context.server = self.flow.server_conn = connection
                return True
            course.breaks(error, connecting=True)
            if not (yield from self._decide()):
                if self.client_state != self.state_errored:
                    failed = ResponseProtocolError(self.stream_id, error, ErrorCode.CONNECT_FAILED)
                    yield from self.handle_protocol_error(failed)
                return False
            self._forget_failures()
        return (yield from super().make_server_connection())

    def _forget_failures(self) -> None:
        """Have mitmproxy connect anew, which remembers that a connection failed and would say so again."""
        for connection in self._layer.connections:
            if isinstance(connection, Server) and connection.error and not connection.connected:
                connection.error = None

    # Replays.

    def send_response(self, already_streamed: bool = False) -> CommandGenerator[None]:
        """Replay an answer of the cache at the pace at which it came, if that is asked for."""
        pacing: Pacing | None = self.flow.metadata.pop(PACING, None)
        if pacing is None or already_streamed or self.flow.response is None:
            yield from super().send_response(already_streamed)
            return
        client = self.context.client
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, False), client)
        for data, seconds in pacing:
            if seconds > 0:
                self.flow.metadata[PAUSE] = seconds
                yield LlmPauseHook(self.flow)
                if (yield from self.check_killed(True)):
                    return
            yield SendHttp(ResponseData(self.stream_id, data), client)
        yield from super().send_response(already_streamed=True)


_OF_UPSTREAM = (
    ResponseHeaders,
    ResponseData,
    ResponseTrailers,
    ResponseEndOfMessage,
    ResponseProtocolError,
)


def _make_stream(self: HttpLayer, stream_id: int) -> CommandGenerator[None]:
    stream = AttemptingStream(self.context.fork(), stream_id)
    self.streams[stream_id] = stream
    yield from self.event_to_child(stream, events.Start())


def install() -> None:
    """Have mitmproxy's HTTP layer make our streams; again is as good as once."""
    HttpLayer.make_stream = _make_stream  # type: ignore[method-assign]
