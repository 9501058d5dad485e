"""Streams that are cut: whole events pass, in pieces of any size, and then the dialect's own end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import Json, Usage
from llmitm.policy.cutting import StreamCut, can_be_cut, tells_prompt


@dataclass
class Letters:
    """A text whose letters are tokens."""

    tokens: int = 0

    def add(self, piece: str) -> None:
        self.tokens += len(piece)


@dataclass
class Allowed:
    """So many tokens are paid for."""

    tokens: int
    told_of: list[Usage] = field(default_factory=list)

    def told(self, usage: Usage) -> None:
        self.told_of.append(usage)

    def may_go_on(self, tokens: int) -> bool:
        return tokens <= self.tokens


def event(document: Json, end: str = "\n\n") -> bytes:
    return f"data: {json.dumps(document)}{end}".encode()


def chunk(text: str, end: str = "\n\n", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event({"id": "c", "choices": [choice]}, end)


def cut_after(tokens: int, dialect: str = "openai_chat") -> StreamCut:
    return StreamCut(dialect, Letters, Allowed(tokens))


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


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(0, 300))
def test_it_ends_within_the_longest_event_of_what_is_paid_for(
    lengths: list[int], paid: int
) -> None:
    cut, passed = cut_after(paid), []
    for length in lengths:
        cut.feed(chunk("x" * length))
        if cut.is_cut:
            break
        passed.append(length)
    if cut.is_cut:
        # It may have ended behind the last event, or before it where that alone was too much.
        longest = max(lengths[: len(passed) + 1])
        assert paid - longest < cut.tokens <= paid
    else:
        assert cut.tokens == sum(lengths) <= paid


def test_it_ends_as_soon_as_another_piece_would_be_too_much() -> None:
    cut = cut_after(5)
    assert cut.feed(chunk("ab")) == chunk("ab")
    assert cut.feed(chunk("ab")).startswith(chunk("ab"))
    assert (cut.is_cut, cut.tokens) == (True, 4)


def test_what_ends_by_itself_is_not_cut() -> None:
    cut = cut_after(4)
    stream = chunk("ab") + chunk("ab", finish="stop") + event({"choices": [], "usage": {}})
    assert cut.feed(stream) == stream
    assert not cut.is_cut


def test_what_is_paid_for_passes_as_it_is() -> None:
    stream = b": comment\n\n" + chunk("abc") + b"data: [DONE]\n\n" + b"data: unfinished"
    cut = cut_after(6)
    assert cut.feed(stream) + cut.flush() == stream
    assert not cut.is_cut


def test_what_the_provider_tells_counts_and_not_what_was_counted_here() -> None:
    allowed = Allowed(30)
    cut = StreamCut("gemini", Letters, allowed)

    def told(text: str, tokens: int) -> bytes:
        content = {"parts": [{"text": text}], "role": "model"}
        usage = {
            "promptTokenCount": 7,
            "candidatesTokenCount": tokens,
            "totalTokenCount": 7 + tokens,
        }
        return event({"candidates": [{"content": content, "index": 0}], "usageMetadata": usage})

    cut.feed(told("ab", 10))
    cut.feed(told("ab", 20))
    assert (cut.is_cut, cut.tokens) == (False, 20)
    out = cut.feed(told("ab", 30))
    assert out.startswith(told("ab", 30))
    assert (cut.is_cut, cut.tokens) == (True, 30)
    assert [(each.input_tokens, each.output_tokens) for each in allowed.told_of] == [
        (7, 10),
        (7, 20),
        (7, 30),
    ]


def test_what_a_message_begins_with_is_its_prompt() -> None:
    allowed = Allowed(30)
    cut = StreamCut("anthropic_messages", Letters, allowed)
    usage = {"input_tokens": 3, "cache_read_input_tokens": 40, "output_tokens": 1}
    cut.feed(event({"type": "message_start", "message": {"usage": usage}}))
    told = allowed.told_of[0]
    assert (told.input_tokens, told.cached_input_tokens, told.output_tokens) == (43, 40, None)
    cut.feed(event({"type": "content_block_delta", "index": 0, "delta": {"text": "abc"}}))
    assert cut.tokens == 3


def test_each_text_is_counted_by_itself() -> None:
    made: list[Letters] = []

    def text() -> Letters:
        made.append(Letters())
        return made[-1]

    cut = StreamCut("openai_chat", text, Allowed(100))
    function = {"name": "look", "arguments": "{}"}
    for delta in (
        {"reasoning": "hm"},
        {"content": "ab"},
        {"content": "c"},
        {"tool_calls": [{"index": 0, "function": function}]},
        {"tool_calls": [{"index": 1, "function": function}]},
    ):
        cut.feed(event({"choices": [{"index": 0, "delta": delta}]}))
    assert sorted(each.tokens for each in made) == [2, 2, 2, 3, 4, 4]
    assert cut.tokens == 17


def test_which_can_be_cut() -> None:
    assert [can_be_cut(name) for name in ("openai_chat", "gemini", "ollama", None)] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(KeyError):
        cut_after(1, "ollama")


def test_which_tell_the_prompt_at_once() -> None:
    assert [tells_prompt(name) for name in ("gemini", "openai_chat", None)] == [True, False, False]
