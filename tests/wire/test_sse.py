from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire.frames import Frame
from llmitm.wire.sse import SseDecoder
from wire.chunks import cut_points, pieces


def decode(data: bytes, cuts: list[int] | None = None) -> list[Frame]:
    decoder = SseDecoder()
    frames = [frame for piece in pieces(data, cuts or []) for frame in decoder.feed(piece)]
    return [*frames, *decoder.flush()]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_ending_ends_a_line(end: bytes) -> None:
    stream = end.join([b"event: ping", b"data: 1", b"", b"data: 2", b"data: 3", b"", b""])
    assert decode(stream) == [Frame(b"1", "ping"), Frame(b"2\n3")]


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"data:{}\n\n", [Frame(b"{}")]),  # no space: Hugging Face
        (b"data: {}\nevent: late\n\n", [Frame(b"{}", "late")]),  # name after data: Bedrock mantle
        (b": OPENROUTER PROCESSING\n\ndata: 1\n\n", [Frame(b"1")]),
        (b"id: 7\nretry: 10\ndata: 1\n\n", [Frame(b"1")]),
        (b"data: last\n", [Frame(b"last")]),  # no blank line at the end: Google
        (b"data: last", [Frame(b"last")]),
        (b"\xef\xbb\xbfdata: 1\n\n", [Frame(b"1")]),
        (b"event: only-a-name\n\n", []),
        (b"", []),
    ],
)
def test_what_providers_send(stream: bytes, frames: list[Frame]) -> None:
    assert decode(stream) == frames


lines = st.lists(
    st.one_of(
        st.binary(max_size=12).map(lambda b: b"data: " + b.replace(b"\n", b"").replace(b"\r", b"")),
        st.sampled_from([b"", b": comment", b"event: x", b"data", b"nonsense"]),
    ),
    max_size=12,
)


@given(lines, st.sampled_from([b"\n", b"\r\n", b"\r"]), cut_points)
def test_pieces_make_no_difference(parts: list[bytes], end: bytes, cuts: list[int]) -> None:
    stream = end.join(parts)
    assert decode(stream, cuts) == decode(stream)


@given(st.binary(max_size=200), cut_points)
def test_hostile_bytes_make_no_difference_either(data: bytes, cuts: list[int]) -> None:
    assert decode(data, cuts) == decode(data)
