"""Large bodies: made of blocks, and taken by an upstream that keeps no more than their digest."""

from __future__ import annotations

import hashlib
import json
import string
import threading
from collections.abc import Iterator
from typing import Any

import h2.events

from e2e.peers import H2, Wire

MIB = 1024 * 1024
LARGE = 100 * MIB
BLOCK = (string.ascii_letters + string.digits + "+/").encode() * 1024
JSON = "content-type: application/json\r\n"
SAID = [{"index": 0, "message": {"role": "assistant", "content": "Ho"}, "finish_reason": "stop"}]
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
ANSWER = json.dumps({"id": "1", "model": "gpt-4o-mini", "choices": SAID, "usage": USAGE}).encode()
WHOLE = f"HTTP/1.1 200 OK\r\n{JSON}content-length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER


def blocks(size: int) -> Iterator[bytes]:
    for _ in range(size // len(BLOCK)):
        yield BLOCK


def digest(*pieces: bytes, size: int = LARGE) -> str:
    whole = hashlib.sha1()
    for piece in (*pieces[:1], *blocks(size), *pieces[1:]):
        whole.update(piece)
    return whole.hexdigest()


class Taker:
    """An upstream that reads a body and keeps its digest; `begun` is set when its first bytes are there."""

    def __init__(self, answer: bytes = WHOLE) -> None:
        self.answer = answer
        self.begun = threading.Event()
        self.digests: list[str] = []

    def __call__(self, peer: Any) -> None:
        if isinstance(peer, H2):
            self._h2(peer)
            return
        while True:
            _, fields = peer.head()
            whole = hashlib.sha1()
            for piece in self._pieces(peer, dict(fields)):
                self.begun.set()
                whole.update(piece)
            self.digests.append(whole.hexdigest())
            peer.send(self.answer)

    @staticmethod
    def _pieces(wire: Wire, fields: dict[str, str]) -> Iterator[bytes]:
        if "content-length" not in fields:
            yield from wire.chunks()
            wire.fields()
            return
        left = int(fields["content-length"])
        while left:
            piece = wire.some(left)
            left -= len(piece)
            yield piece

    def _h2(self, peer: H2) -> None:
        sums = {}
        while True:
            match event := peer.event():
                case h2.events.RequestReceived():
                    sums[event.stream_id] = hashlib.sha1()
                case h2.events.DataReceived():
                    self.begun.set()
                    sums[event.stream_id].update(event.data)
                case h2.events.StreamEnded():
                    self.digests.append(sums[event.stream_id].hexdigest())
                    fields = [(":status", "200"), ("content-type", "application/json")]
                    peer.headers(event.stream_id, fields)
                    peer.send(event.stream_id, ANSWER, end=True)
