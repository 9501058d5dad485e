from __future__ import annotations

import json
import struct
import tracemalloc
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire.event_stream import EventStreamDecoder
from llmitm.wire.frames import Frame
from wire import aws
from wire.chunks import cut_points, pieces

FIRST = aws.event("messageStart", {"role": "assistant"})
LAST = aws.event("messageStop", {"stopReason": "end_turn"})
FRAMES = [
    Frame(b'{"role": "assistant"}', "messageStart"),
    Frame(b'{"stopReason": "end_turn"}', "messageStop"),
]
UUID = b"\x02id\x09" + bytes(16)
NUMBERS = b"".join(
    [b"\x01a\x00", b"\x01b\x01", b"\x01c\x02\x07", b"\x01d\x03" + bytes(2), b"\x01e\x04" + bytes(4)]
)
LARGER = b"\x01f\x05" + bytes(8) + b"\x01g\x08" + bytes(8) + b"\x01h\x06\x00\x03\xff\xfe\xfd"


def decode(data: bytes, cuts: list[int] | None = None) -> list[Frame]:
    decoder = EventStreamDecoder()
    frames = [frame for piece in pieces(data, cuts or []) for frame in decoder.feed(piece)]
    return [*frames, *decoder.flush()]


@given(cut_points)
def test_messages_are_found_however_they_are_cut(cuts: list[int]) -> None:
    assert decode(FIRST + LAST, cuts) == FRAMES


def test_a_message_comes_with_its_last_byte() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(FIRST[:-1]) == []
    assert decoder.feed(FIRST[-1:]) == FRAMES[:1]


def test_headers_of_every_type() -> None:
    named = UUID + NUMBERS + LARGER + aws.text_header(":event-type", "chunk")
    assert decode(aws.framed(named, b"{}")) == [Frame(b"{}", "chunk")]


@pytest.mark.parametrize("headers", [b"\x40name", b"\x01x\x07\xff\xff", b"\x01x\x63", b"\x01"])
def test_odd_headers_leave_the_payload(headers: bytes) -> None:
    assert decode(aws.framed(headers, b"{}") + LAST) == [Frame(b"{}", None), FRAMES[1]]


def test_an_exception_is_an_error_with_its_name() -> None:
    (frame,) = decode(aws.exception("throttlingException", {"message": "Too many"}))
    assert frame.event == "error"
    assert json.loads(frame.data) == {"type": "throttlingException", "message": "Too many"}


def test_an_exception_without_json_keeps_its_text() -> None:
    headers = {":message-type": "exception", ":exception-type": "validationException"}
    (frame,) = decode(aws.message(headers, b"no \xff JSON"))
    assert json.loads(frame.data) == {"type": "validationException", "message": "no \ufffd JSON"}


def test_an_error_has_all_in_its_headers() -> None:
    headers = {":message-type": "error", ":error-code": "500", ":error-message": "Broken"}
    (frame,) = decode(aws.message(headers))
    assert frame.event == "error"
    assert json.loads(frame.data) == {"type": "500", "message": "Broken"}


def test_a_message_with_a_wrong_checksum_is_left_out() -> None:
    damaged = FIRST[:-6] + bytes([FIRST[-6] ^ 1]) + FIRST[-5:]
    assert decode(damaged + LAST) == FRAMES[1:]


def test_after_a_wrong_prelude_nothing_is_read() -> None:
    damaged = FIRST[:8] + bytes([FIRST[8] ^ 1]) + FIRST[9:]
    assert decode(LAST + damaged + LAST) == FRAMES[1:]


@pytest.mark.parametrize(
    ("length", "headers"), [(0, 0), (15, 0), (30, 15), (2**32 - 1, 0), (2**20, 2**18)]
)
def test_absurd_lengths_are_not_waited_for(length: int, headers: int) -> None:
    lengths = struct.pack(">II", length, headers)
    decoder = EventStreamDecoder()
    assert decoder.feed(lengths + struct.pack(">I", crc32(lengths))) == []
    assert decoder.feed(LAST) == []
    more = bytes(1_000_000)
    tracemalloc.start()
    for _ in range(10):
        assert decoder.feed(more) == []
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < len(more)


def test_a_stream_that_breaks_off_ends_with_its_last_whole_message() -> None:
    assert decode(FIRST + LAST[:-1]) == FRAMES[:1]


@given(st.binary(max_size=200), cut_points)
def test_hostile_bytes_make_no_difference(data: bytes, cuts: list[int]) -> None:
    assert decode(data, cuts) == decode(data)


@given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40)), max_size=4), cut_points)
def test_well_framed_nonsense_is_read_alike(
    messages: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(aws.framed(headers, payload) for headers, payload in messages)
    frames = decode(stream)
    assert len(frames) == len(messages)
    assert decode(stream, cuts) == frames


@given(st.integers(0, len(FIRST) - 1), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(at: int, change: int) -> None:
    damaged = FIRST[:at] + bytes([FIRST[at] ^ change]) + FIRST[at + 1 :]
    assert decode(damaged) == []
