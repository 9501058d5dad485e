from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire.frames import Frame
from llmitm.wire.lines import TOO_LONG, ArrayDecoder, LineDecoder
from wire.chunks import cut_points, pieces

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=6)


def run(decoder: LineDecoder | ArrayDecoder, data: bytes, cuts: list[int]) -> list[bytes]:
    frames = [frame for piece in pieces(data, cuts) for frame in decoder.feed(piece)]
    return [frame.data for frame in [*frames, *decoder.flush()]]


@given(objects, st.sampled_from([b",", b"\n,\r\n", b" , "]), cut_points)
def test_an_array_gives_its_elements(
    values: list[object], separator: bytes, cuts: list[int]
) -> None:
    data = b"[" + separator.join(json.dumps(value).encode() for value in values) + b"]"
    assert [json.loads(text) for text in run(ArrayDecoder(), data, cuts)] == values


@given(objects, cut_points)
def test_lines_give_their_values(values: list[object], cuts: list[int]) -> None:
    data = b"\n".join(json.dumps(value).encode() for value in values)
    assert [json.loads(text) for text in run(LineDecoder(), data, cuts)] == values


@given(st.binary(max_size=200), cut_points)
def test_hostile_bytes(data: bytes, cuts: list[int]) -> None:
    for kind in (LineDecoder, ArrayDecoder):
        assert run(kind(), data, cuts) == run(kind(), data, [])


def test_of_a_line_that_is_too_long_nothing_is_kept() -> None:
    decoder = LineDecoder(longest=4)
    frames = [
        frame
        for piece in (b"1234\n12", b"345", b"6\n", b"1\n12345")
        for frame in decoder.feed(piece)
    ]
    frames += decoder.flush()
    assert frames == [Frame(b"1234"), Frame(b"", TOO_LONG), Frame(b"1"), Frame(b"", TOO_LONG)]


def test_an_element_that_is_cut_off_is_left_out() -> None:
    assert run(ArrayDecoder(), b'[{"a": 1}\n,\r\n{"b": {"c', []) == [b'{"a": 1}']


def test_brackets_in_strings_do_not_count() -> None:
    assert run(ArrayDecoder(), rb'[{"a": "}\"]["}]', []) == [rb'{"a": "}\"]["}']


def test_an_array_without_a_bottom_is_left() -> None:
    decoder = ArrayDecoder()
    assert decoder.feed(b'[{"a": 1},' + b"[" * 2_000) == [Frame(b'{"a": 1}')]
    assert decoder.feed(b"]" * 2_000 + b'{"a": 1}]') == []
