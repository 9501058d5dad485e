"""Where mitmproxy's HTTP layers hang, break or fill the memory, and a client without it would be fine.

Each stands in `docs/architecture.md` under the limits of mitmproxy. The layers are changed in place, for both ways of
starting the proxy. What is not as expected shows while this module is imported, and then nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream, SendHttp, _http1
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestHeaders,
    RequestTrailers,
    ResponseEndOfMessage,
)

from llmitm.mitm.modelled import TO_ROUTE, TOO_LONG
from llmitm.mitm.tee import OVERFLOW
from llmitm.policy.bodies import LONGEST_HELD

_TOLD = "llmitm_end_told"

_PIECE = 64 * 1024
"""Bytes in which a body that was held goes on, so that no further copy of all of it is made."""
_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d")


class _WithoutTrailers(_http1.ChunkedReader):  # type: ignore[name-defined, misc]
    """Drop trailers, as a proxy may (RFC 9112, 7.1.2). mitmproxy raises, and both sides then wait for ever."""

    def __call__(self, buf: Any) -> Any:
        event = super().__call__(buf)
        end = _http1.h11.EndOfMessage  # type: ignore[attr-defined]
        return end() if isinstance(event, end) else event


_read_headers = _http1.Http1Client.read_headers
_send = _http1.Http1Client.send
_check_body_size = HttpStream.check_body_size
_send_response = HttpStream.send_response
_flow_done = HttpStream.flow_done


def _read_final_headers(self: _http1.Http1Client, event: Any) -> CommandGenerator[None]:
    """Read over 1xx answers, as mitmproxy does on HTTP/2; it would take the first for the final one."""
    if isinstance(event, events.DataReceived) and self.request:
        while _INFORMATIONAL.match(bytes(self.buf)):
            if self.buf.maybe_extract_lines() is None:
                return  # its end is still to come
    yield from _read_headers(self, event)


def _send_framed(self: _http1.Http1Client, event: Any) -> CommandGenerator[None]:
    """Frame a body that came by HTTP/2, which needs no length; mitmproxy would send it without any framing."""
    if isinstance(event, RequestHeaders) and not event.end_stream:
        headers = event.request.headers
        if "content-length" not in headers and "transfer-encoding" not in headers:
            headers["transfer-encoding"] = "chunked"
    if isinstance(event, RequestTrailers):
        return  # dropped, as above
    yield from _send(self, event)


def _check_held_size(self: HttpStream, request: bool) -> CommandGenerator[bool]:
    """Let a body go, of which nobody said that it would be so long, once it is too long to be held."""
    if request and len(self.request_body_buf) > LONGEST_HELD and not self.flow.request.stream:
        make_tap: Callable[[], Any] | None = self.flow.metadata.get(OVERFLOW)
        if make_tap is not None:
            self.flow.request.stream = make_tap()
            held = bytes(self.request_body_buf)
            self.request_body_buf.clear()
            yield from self.start_request_stream()
            for start in range(0, len(held), _PIECE):
                piece = held[start : start + _PIECE]
                yield from self.handle_event(RequestData(self.stream_id, piece))
            return False
        if TO_ROUTE in self.flow.metadata:
            self.flow.metadata[TOO_LONG] = True  # the gateway will refuse it
            self.request_body_buf.clear()
            return False
    return (yield from _check_body_size(self, request))


def _send_whole_response(
    self: HttpStream, already_streamed: bool = False
) -> CommandGenerator[None]:
    """End an answer that came before the upload has ended: the client may send no more until it has seen that end."""
    yield from _send_response(self, already_streamed)
    if self.server_state == self.state_done and self.client_state == self.state_stream_request_body:
        self.flow.metadata[_TOLD] = True
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


def _end_once(self: HttpStream) -> CommandGenerator[None]:
    """End an answer, unless that has been done."""
    for command in _flow_done(self):
        if (
            isinstance(command, SendHttp)
            and isinstance(command.event, ResponseEndOfMessage)
            and self.flow.metadata.pop(_TOLD, False)
        ):
            continue
        yield command


def mend() -> None:
    """Change the layers; again is as good as once."""
    changes: tuple[tuple[object, str, object], ...] = (
        (_http1, "ChunkedReader", _WithoutTrailers),
        (_http1.Http1Client, "read_headers", _read_final_headers),
        (_http1.Http1Client, "send", _send_framed),
        (HttpStream, "check_body_size", _check_held_size),
        (HttpStream, "send_response", _send_whole_response),
        (HttpStream, "flow_done", _end_once),
    )
    for owner, name, ours in changes:
        setattr(owner, name, ours)
