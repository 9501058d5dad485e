"""Frames on their way to the recorder's thread: bounded, in order, and never lost to a fault of a reader."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from llmitm.calls import Endpoint, Exchange
from llmitm.mitm.sockets import Room, Socket
from llmitm.providers.dialects import by_name
from llmitm.providers.sockets import SocketFrame, SocketReader, Turn
from llmitm.recorder import Source

ENDPOINT = Endpoint("openai", "realtime", "openai_responses")
PATH = "/v1/responses"
ASKED = {"type": "response.create", "model": "m", "input": "hello"}
SOUND = b'"' + b"A" * 100_000 + b'"'


def handshake() -> Exchange:
    return Exchange("S", 1.0, "GET", "https", "api.openai.com", 443, PATH, (), b"", 101)


def socket(followed: list[Source], reader: SocketReader | None = None, room: int = 1000) -> Socket:
    found = reader or by_name("openai_responses").socket(ENDPOINT, PATH)
    assert found is not None
    return Socket(handshake(), found, Room(room), followed.append)


def message(data: bytes, *, from_client: bool = False) -> WebSocketMessage:
    return WebSocketMessage(Opcode.TEXT, from_client, data, 2.0)


def event(kind: str) -> WebSocketMessage:
    response = {"id": "resp_1", "status": "completed", "output": []}
    return message(json.dumps({"type": kind, "response": response}).encode())


def test_the_recorder_is_told_once_until_it_looks() -> None:
    followed: list[Source] = []
    one = socket(followed)
    one.feed(message(json.dumps(ASKED).encode(), from_client=True))
    one.feed(event("response.completed"))
    assert followed == [one]
    (turn,) = one.take()
    assert turn.turn is not None
    assert turn.turn.socket_id == "S"
    assert one.take() == []
    one.close("client_gone", None)
    assert followed == [one, one]
    assert one.take() == []  # there was a turn, so the socket itself is no call


def test_a_socket_without_turns_is_a_call() -> None:
    one = socket([])
    one.close("client_gone", None)
    assert [exchange.id for exchange in one.take()] == ["S"]


def test_a_failure_that_is_told_as_the_socket_is_closed() -> None:
    one = socket([])
    one.close("upstream_broke", "closed with 1008: quota", is_failure=True)
    (exchange,) = one.take()
    assert (exchange.ending, exchange.error_message) == (
        "upstream_broke",
        "closed with 1008: quota",
    )


def test_what_waits_is_bounded_and_sound_goes_first() -> None:
    one = socket([], room=110_000)
    one.feed(message(json.dumps(ASKED).encode(), from_client=True))
    one.feed(message(SOUND))  # would take what is kept for small frames
    one.feed(event("response.completed"))
    (turn,) = one.take()
    assert turn.frames_unseen == 1
    one.feed(message(SOUND[:50_000]))  # what was read has left its room
    one.feed(message(json.dumps(ASKED).encode(), from_client=True))
    one.close("client_gone", None)
    (cut,) = one.take()
    assert (cut.frames_unseen, cut.ending) == (0, "client_gone")


class Faulty:
    """A reader with a fault: it raises at every second frame, and in the end."""

    def __init__(self) -> None:
        self.seen = 0

    def feed(self, frame: SocketFrame) -> Sequence[Turn]:
        self.seen += 1
        if self.seen % 2:
            raise ZeroDivisionError
        return [Turn(ENDPOINT, frame.at, is_whole=True)]

    def close(self, at: float) -> Sequence[Turn]:
        raise ZeroDivisionError


def test_a_fault_loses_one_frame_and_no_more() -> None:
    room = Room(10_000)
    one = Socket(handshake(), Faulty(), room, lambda _source: None)
    for _ in range(4):
        one.feed(message(b"{}"))
    one.close("client_gone", None)
    taken = one.take()
    assert [exchange.turn is not None for exchange in taken] == [True, True, False]
    assert room.taken_in == room.let_out
