from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire.bodies import join, split, split_answer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(
    st.sampled_from(["messages", "input", "contents", "tools", "system", "model", "prompt", "x"]),
    json_values,
)


@given(bodies, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_nothing_is_lost(body: object, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    assert join(split(text)) == text


@given(st.text(alphabet='{}[]",: \\messagesinput1\n', max_size=60) | st.text(max_size=60))
def test_nothing_is_lost_of_what_is_not_json_either(text: str) -> None:
    assert join(split(text)) == text


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
    assert join(split(text)) == text


def test_cache_marks_do_not_make_a_message_another() -> None:
    def call(turns: int) -> str:
        messages = [
            {"role": "user", "content": [{"type": "text", "text": f"turn {n}"}]}
            for n in range(turns)
        ]
        messages[-1]["content"][0]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}  # type: ignore[index]
        return json.dumps(
            {"system": [{"type": "text", "text": "s"}], "messages": messages}, indent=1
        )

    first, second = split(call(4)), split(call(5))
    assert first.turns is not None
    assert second.turns is not None
    assert first.pieces[first.turns].parts == second.pieces[second.turns].parts[:4]
    assert len(first.marks) == 1
    assert join(first) == call(4)


@given(
    st.lists(
        st.sampled_from(
            [',"cache_control":{}', ', "cache_control" : {"a":1}', "{", "}", '"messages":[', "x"]
        )
    )
)
def test_marks_in_odd_places_are_put_back(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert join(split(text)) == text


def test_what_is_inside_an_envelope_is_cut_too() -> None:
    cut = split(
        json.dumps({"project": "p", "request": {"contents": [{"parts": [{"text": "hi"}]}]}})
    )
    assert cut.turns is not None
    assert [json.loads(part) for part in cut.pieces[cut.turns].parts] == [
        {"parts": [{"text": "hi"}]}
    ]


def test_texts_to_embed_are_one_part() -> None:
    cut = split('{"input": ["a", "b"], "model": "m"}')
    assert cut.turns is None
    assert cut.prompt is not None
    assert cut.pieces[cut.prompt].parts == ['["a", "b"]']


def test_long_values_are_parts_of_their_own() -> None:
    long = "x" * 300
    first, second = (
        split(json.dumps({"instructions": long, "input": "q", "metadata": {"n": n}}))
        for n in range(2)
    )
    assert first.pieces[1] == second.pieces[1]
    assert first.pieces[1].key == "instructions"


@pytest.mark.parametrize(
    "literal",
    [
        '"Gr\\u00fc\\u00dfe <1> \\"&\\""',
        '"Grüße <1> \\"&\\""',
        '"Grüße \\u003c1\\u003e \\"\\u0026\\""',
    ],
)
def test_the_answer_is_cut_at_what_was_said(literal: str) -> None:
    text = '{"content": ' + literal + ', "more": 1}'
    assert split_answer(text, json.loads(literal)) == ('{"content": ', literal, ', "more": 1}')


@pytest.mark.parametrize("said", [None, "", "ab"])
def test_an_answer_that_does_not_stand_there_as_one_string(said: str | None) -> None:
    assert split_answer('{"content": ["a", "b"]}', said) is None


def test_a_text_of_nothing_but_marks_keeps_them() -> None:
    marked = '{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}'
    text = f'{{"messages": [{", ".join([marked] * 200)}]}}'
    cut = split(text)
    assert not cut.marks
    assert join(cut) == text


USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function_call_output", "call_id": "1", "output": "{}"}
SYSTEM = {"role": "system", "content": "Today is Thursday"}


@pytest.mark.parametrize(
    ("key", "turns", "asked"),
    [
        ("messages", [USER], 0),
        ("messages", [SYSTEM, USER, SYSTEM], 1),
        ("messages", [USER, {"role": "assistant", "content": "Yes"}], 1),
        ("input", [{"type": "additional_tools"}, USER, {"type": "configuration_update"}], 1),
        ("input", [USER, TOOL, {"role": "developer", "content": ""}], 1),
        ("contents", [{"parts": [{"text": "Hi"}]}], 0),
    ],
)
def test_what_was_asked_last_is_not_what_a_client_adds(
    key: str, turns: list[object], asked: int
) -> None:
    cut = split(json.dumps({key: turns}))
    assert cut.prompt is not None
    parts = cut.pieces[cut.prompt].parts
    assert json.loads(parts[cut.asked].lstrip(", ")) == turns[asked]


def test_a_system_message_alone_is_what_was_asked() -> None:
    cut = split(json.dumps({"messages": [SYSTEM, SYSTEM]}))
    assert cut.asked == -1
