"""An upstream whose answers are listed one by one, whatever connection and protocol they are asked for on."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h2.events

from e2e.peers import H2, HOST, Closed, Upstream, Wire

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
_SECONDS = 20


@dataclass
class Scripted:
    """One answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: SSE)
    pieces: Sequence[bytes] = ()
    waits: Sequence[threading.Event] = ()
    """What is waited for before each piece but the first."""
    cut: bool = False
    """Break the connection off after the pieces; without any, before there is an answer."""


@dataclass
class Asked:
    """What came in."""

    path: str
    host: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Script:
    """Answers in the order in which they are asked for; the last goes on for ever."""

    answers: list[Scripted]
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, peer: Wire | H2) -> None:
        """Serve a connection."""
        while True:
            asked, stream = _of_wire(peer) if isinstance(peer, Wire) else _of_h2(peer)
            with self.lock:
                answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
                self.asked.append(asked)
            if answer.cut and not answer.pieces:
                if isinstance(peer, Wire):
                    raise Closed
                peer.reset(stream)
            elif isinstance(peer, Wire):
                _to_wire(peer, answer)
            else:
                _to_h2(peer, stream, answer)


def _of_wire(peer: Wire) -> tuple[Asked, int]:
    first, headers = peer.head()
    fields = dict(headers)
    return Asked(first.split()[1], fields["host"], fields, peer.body(headers)), 0


def _of_h2(peer: H2) -> tuple[Asked, int]:
    event = peer.until(h2.events.RequestReceived)
    fields, body = dict(event.headers), b""
    stream = event.stream_id
    while True:
        event = peer.event()
        if getattr(event, "stream_id", None) != stream:
            continue
        if isinstance(event, h2.events.DataReceived):
            body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            return Asked(fields[":path"], fields[":authority"], fields, body), stream
        elif isinstance(event, h2.events.StreamReset):
            raise Closed


def _pieces(answer: Scripted) -> Iterator[bytes]:
    for number, piece in enumerate(answer.pieces):
        if number and number <= len(answer.waits):
            assert answer.waits[number - 1].wait(_SECONDS), "nobody let the next piece go"
        yield piece


def _to_wire(peer: Wire, answer: Scripted) -> None:
    head = [f"HTTP/1.1 {answer.status} Said"]
    head += [f"{name}: {value}" for name, value in answer.headers.items()]
    head += ["transfer-encoding: chunked", "", ""]
    peer.send("\r\n".join(head).encode())
    for piece in _pieces(answer):
        peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    if answer.cut:
        raise Closed
    peer.send(b"0\r\n\r\n")


def _to_h2(peer: H2, stream: int, answer: Scripted) -> None:
    peer.headers(stream, [(":status", str(answer.status)), *answer.headers.items()])
    for piece in _pieces(answer):
        peer.send(stream, piece)
    if answer.cut:
        peer.reset(stream)
    else:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # given up meanwhile
            peer.end(stream)


@contextlib.contextmanager
def answering(upstream: Upstream, *answers: Scripted) -> Iterator[Script]:
    """Have an upstream give these answers for the length of a block."""
    script = Script(list(answers))
    with upstream.serving(script):
        yield script


__all__ = ["HOST", "JSON", "SSE", "Asked", "Script", "Scripted", "answering"]
