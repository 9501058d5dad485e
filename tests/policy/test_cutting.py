"""Streams that are cut: whole events pass, in pieces of any size, and then the dialect's own end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.cutting import StreamCut, can_be_cut


def chunk(text: str, end: str = "\n\n") -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return f"data: {json.dumps({'id': 'c', 'choices': [choice]})}{end}".encode()


def cut_after(tokens: int) -> StreamCut:
    return StreamCut("openai_chat", lambda text: len(text), lambda made: made <= tokens)


@given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_the_same_passes_however_it_comes(sizes: list[int], end: str) -> None:
    stream = b"".join(chunk(letter, end) for letter in "abcdef")
    cut, out, start = cut_after(3), b"", 0
    for size in [*sizes, len(stream)]:
        out += cut.feed(stream[start : start + size])
        start += size
    assert cut.is_cut
    assert cut.tokens == 3
    assert out.startswith(b"".join(chunk(letter, end) for letter in "abc"))
    last, done, rest = out[len(b"".join(chunk(letter, end) for letter in "abc")) :].split(b"\n\n")
    assert json.loads(last.removeprefix(b"data: ")) == {
        "id": "c",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}],
    }
    assert (done, rest) == (b"data: [DONE]", b"")
    assert cut.feed(stream) == b""


def test_what_is_paid_for_passes_as_it_is() -> None:
    stream = b": comment\n\n" + chunk("abc") + b"data: [DONE]\n\n" + b"data: unfinished"
    cut = cut_after(3)
    assert cut.feed(stream) + cut.flush() == stream
    assert not cut.is_cut


def test_which_can_be_cut() -> None:
    assert [can_be_cut(name) for name in ("openai_chat", "gemini", "ollama", None)] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(KeyError):
        StreamCut("ollama", len, lambda _: True)
