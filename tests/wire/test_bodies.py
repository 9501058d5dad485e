from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from llmitm.wire.bodies import Split, split, split_answer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(
    st.sampled_from(["messages", "input", "contents", "tools", "system", "model", "prompt", "x"]),
    json_values,
)


def joined(cut: Split) -> str:
    return "".join(part for piece in cut.pieces for part in piece.parts)


@given(bodies, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_nothing_is_lost(body: object, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    assert joined(split(text)) == text


@given(st.text(alphabet='{}[]",: \\messagesinput1\n', max_size=60) | st.text(max_size=60))
def test_nothing_is_lost_of_what_is_not_json_either(text: str) -> None:
    assert joined(split(text)) == text


def test_an_array_is_cut_at_its_elements() -> None:
    text = '{"model": "m", "messages": [ {"a": "]"} , {"b": 2}\n], "tools": [], "stream": true}'
    cut = split(text)
    assert [piece.parts for piece in cut.pieces] == [
        ['{"model": "m", "messages": [ '],
        ['{"a": "]"}', ' , {"b": 2}'],
        ['\n], "tools": [], "stream": true}'],
    ]
    assert cut.turns == cut.prompt == 1


def test_a_new_turn_changes_one_part() -> None:
    turns = [{"role": "user", "content": f"turn {n}"} for n in range(5)]
    first, second = (
        split(json.dumps({"system": "s", "messages": turns[:n], "stream": True})) for n in (4, 5)
    )
    assert second.pieces[1].parts[:4] == first.pieces[1].parts
    assert second.pieces[0] == first.pieces[0]
    assert second.pieces[2] == first.pieces[2]


@pytest.mark.parametrize("key", ["prompt", "input"])
def test_a_prompt_that_is_a_text(key: str) -> None:
    cut = split(json.dumps({"model": "m", key: "what?"}))
    assert cut.prompt is not None
    assert cut.pieces[cut.prompt].parts == ['"what?"']


def test_deep_nesting_is_one_part() -> None:
    text = '{"messages": ' + "[" * 100_000 + "]" * 100_000 + "}"
    assert joined(split(text)) == text


@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_answer_is_cut_at_what_was_said(ascii_only: bool) -> None:
    text = json.dumps({"content": 'Grüße "1"'}, ensure_ascii=ascii_only)
    pieces, said = split_answer(text, 'Grüße "1"')
    assert said is not None
    assert json.loads(pieces[said].parts[0]) == 'Grüße "1"'
    assert "".join(piece.parts[0] for piece in pieces) == text


def test_an_answer_in_several_blocks_is_one_piece() -> None:
    pieces, said = split_answer('{"content": ["a", "b"]}', "ab")
    assert (len(pieces), said) == (1, None)
