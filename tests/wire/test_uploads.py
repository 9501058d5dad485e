from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire import multipart
from llmitm.wire.uploads import Kept
from wire.chunks import pieces

FORM = "multipart/form-data; boundary=b"


def part(name: str, content: bytes, filename: str = "") -> bytes:
    more = f'; filename="{filename}"' if filename else ""
    head = f'--b\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def kept(given: list[bytes], most: int, content_type: str = FORM) -> Kept:
    found = Kept(most, content_type)
    for piece in given:
        found.feed(piece)
    return found


@given(st.lists(st.integers(0, 400_000), max_size=9), st.integers(0, 300_000))
def test_fields_before_between_and_after_files_are_kept(cuts: list[int], most: int) -> None:
    body = (
        part("before", b"1")
        + part("file", b"\r\n--" * 40_000, "a.wav")
        + part("between", b"2" * 65_000)
        + part("file", b"x" * 99_000, "b.wav")
        + part("after", b"3")
        + b"--b--\r\n"
    )
    found = kept(pieces(body, cuts), most)
    whole = multipart.parse(body, FORM)
    assert multipart.parse(found.body(), FORM, found.gaps) == whole
    assert len(found.body()) + sum(size for _, size in found.gaps) == len(body)
    assert len(found.body()) <= most + 6 * 67 * 1024


@given(st.binary(max_size=900), st.lists(st.integers(0, 900), max_size=5), st.integers(0, 1000))
def test_of_anything_else_the_start_is_kept(body: bytes, cuts: list[int], most: int) -> None:
    found = kept(pieces(body, cuts), most, "application/json")
    assert found.body() == body[:most]
    assert found.gaps == ([(most, len(body) - most)] if len(body) > most else [])


@given(st.binary(max_size=900), st.lists(st.integers(0, 900), max_size=5))
def test_a_form_that_is_none_is_counted_all_the_same(body: bytes, cuts: list[int]) -> None:
    found = kept(pieces(body, cuts), 10)
    assert len(found.body()) + sum(size for _, size in found.gaps) == len(body)


def test_a_file_that_is_whole_beside_one_that_is_not() -> None:
    body = part("a", b"1" * 70_000, "a") + part("b", b"2" * 99_000, "b") + b"--b--"
    found = kept([body], 80_000)
    assert list(multipart.files(found.body(), FORM, found.gaps)) == [b"1" * 70_000]
