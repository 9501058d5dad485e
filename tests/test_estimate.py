from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import Answer, Prompt, ToolCall
from llmitm.encodings import SHA256, cache_name
from llmitm.estimate import Estimator, RunningTokens, encoding_name
from llmitm.home import home

MESSAGES = [
    {"role": "system", "content": "You are terse."},
    {"role": "user", "content": [{"type": "text", "text": "Count to three, please."}]},
]
PROMPT = Prompt(document={"model": "gpt-4o", "messages": MESSAGES})
ANSWER = Answer(text="One, two, three.")


@pytest.fixture(scope="module")
def encodings() -> Path:
    """A folder with the encodings of this machine."""
    for folder in (os.environ.get("TIKTOKEN_CACHE_DIR"), home().encodings):
        if folder and (Path(folder) / cache_name("o200k_base")).is_file():
            return Path(folder)
    pytest.skip("no encodings on this machine: `llmitm encodings fetch` gets them")


def counts(folder: Path, prompt: Prompt, answer: Answer) -> tuple[int | None, int | None]:
    usage = Estimator(folder).estimate("gpt-4o", prompt, answer).usage
    assert usage.source == "estimated"
    return usage.input_tokens, usage.output_tokens


def test_with_encodings_tokens_are_counted(encodings: Path) -> None:
    # 4 and 6 tokens (the line break between joins the full stop), 3 a message, 3 to prime the answer.
    assert counts(encodings, PROMPT, ANSWER) == (4 + 6 + 2 * 3 + 3, 6)
    estimate = Estimator(encodings).estimate("gpt-4o", PROMPT, ANSWER)
    assert estimate.method == "tiktoken o200k_base"


def test_without_encodings_it_is_a_rule_of_thumb_that_says_so(tmp_path: Path) -> None:
    # 14 + 1 + 23 characters at 4 a token, 3 a message and 3 more; 16 characters of answer.
    assert counts(tmp_path, PROMPT, ANSWER) == (round(38 / 4) + 9, 4)
    method = Estimator(tmp_path).estimate("gpt-4o", PROMPT, ANSWER).method
    assert method == "4 bytes a token, for want of encodings (llmitm encodings fetch)"


def test_a_damaged_encoding_is_neither_used_nor_downloaded_again(tmp_path: Path) -> None:
    file = tmp_path / cache_name("o200k_base")
    file.write_bytes(b"damaged")
    estimate = Estimator(tmp_path).estimate("gpt-4o", PROMPT, ANSWER)
    assert estimate.method.startswith("4 bytes a token")
    assert file.read_bytes() == b"damaged"


WORDS = tiktoken.Encoding(
    "words",
    pat_str=r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    mergeable_ranks={bytes([byte]): byte for byte in range(256)}
    | {
        piece: 256 + number
        for number, piece in enumerate((b"th", b"the", b" t", b"  ", b"..", b"ab"))
    },
    special_tokens={},
)
"""An encoding that cuts text into words as OpenAI's do, with few tokens longer than a byte."""


@given(st.lists(st.text(alphabet="abthe ...1,\n\té中", max_size=8)))
def test_a_text_in_pieces_has_the_tokens_of_the_whole(pieces: list[str]) -> None:
    by_words = RunningTokens(lambda text: len(WORDS.encode_ordinary(text)))
    by_bytes = RunningTokens(None)
    for piece in pieces:
        by_words.add(piece)
        by_bytes.add(piece)
    whole = "".join(pieces)
    assert by_words.tokens == len(WORDS.encode_ordinary(whole))
    assert by_bytes.tokens == round(len(whole.encode()) / 4)


def test_a_text_without_spaces_is_not_counted_again_and_again() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text)

    running = RunningTokens(count)
    for _ in range(10_000):
        running.add("0123456789")
    assert running.tokens == 100_000
    assert counted < 100_000 * 60


def test_what_counts_an_answer_counts_as_the_estimate_does(tmp_path: Path) -> None:
    running = Estimator(tmp_path).running("gpt-4o")
    for piece in ("One", ", two", ", three."):
        running.add(piece)
    assert running.tokens == counts(tmp_path, PROMPT, ANSWER)[1]


@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ({"prompt": "a" * 40}, 10),
        ({"prompt": ["a" * 20, "a" * 19]}, 10),
        ({"input": [1, 2, 3]}, 3),
        ({"input": [[1, 2], [3]]}, 3),
        ({"input": "a" * 40, "instructions": "b" * 39}, 20),
        ({"contents": [{"role": "user", "parts": [{"text": "a" * 40}]}]}, 10 + 3 + 3),
        ({"message": "a" * 20, "chat_history": [{"role": "USER", "message": "a" * 19}]}, 10),
        ({"inputs": "a" * 40, "parameters": {"max_new_tokens": 5}}, 10),
        ({"system_instruction": {"parts": [{"text": "a" * 40}]}}, 10),
        ({"system": [{"type": "text", "text": "a" * 40}], "messages": []}, 10),
        ({"tools": [{"name": "n" * 8, "parameters": {"type": "object"}}]}, round(26 / 4)),
        ({"messages": [{"content": [{"type": "tool_use", "input": {"a": 1}}]}]}, round(7 / 4) + 6),
        ({"messages": [{"content": [{"source": {"data": "A" * 4000}}]}]}, 6),
        ({"messages": [{"content": [{"image_url": {"url": "data:" + "A" * 4000}}]}]}, 6),
        ({"temperature": 1, "user": "u" * 400}, 0),
        ([], 0),
        (None, 0),
    ],
)
def test_what_a_model_reads_of_a_request(tmp_path: Path, document: Any, tokens: int) -> None:
    assert counts(tmp_path, Prompt(document=document), ANSWER)[0] == tokens


def test_all_that_was_generated_counts(tmp_path: Path) -> None:
    answer = Answer(
        text="a" * 8, reasoning="b" * 8, refusal="c" * 8, tool_calls=[ToolCall("dddd", "e" * 8)]
    )
    assert counts(tmp_path, PROMPT, answer)[1] == 2 + 2 + 2 + 1 + 2
    assert counts(tmp_path, PROMPT, Answer(text=""))[1] == 0
    assert counts(tmp_path, PROMPT, Answer())[1] is None


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("o3", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("ft:gpt-4o-mini:acme", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-instruct", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
        ("text-davinci-003", "p50k_base"),
        ("claude-sonnet-4-6", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_the_encoding_of_a_model(model: str, encoding: str) -> None:
    assert encoding_name(model) == encoding
    assert encoding in SHA256


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["messages", "content", "input", "text", "tools"]), inner)
    ),
)


@given(document=json_values, text=st.text() | st.none())
def test_hostile_documents_never_raise(document: Any, text: str | None) -> None:
    estimate = Estimator(Path("none")).estimate(None, Prompt(document=document), Answer(text=text))
    assert (estimate.usage.input_tokens or 0) >= 0
