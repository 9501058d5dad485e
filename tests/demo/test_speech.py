from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from llmitm.demo.behaviour import Behaviour
from llmitm.demo.speech import Ask, Tool, count, instance, pieces, say


@given(st.text())
def test_a_token_is_a_piece(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) == count(text)


@given(st.text(), st.integers(0, 40), st.booleans(), st.booleans())
def test_counts_are_of_what_is_said(question: str, limit: int, thinks: bool, refuses: bool) -> None:
    ask = Ask(prompt=question, question=question, limit=limit, thinks=thinks)
    said = say(ask, Behaviour(refusal=refuses))
    assert count(said.text) <= limit
    assert said.tokens.input == count(question)
    assert said.tokens.reasoning == count(said.reasoning)
    assert said.tokens.output == sum(map(count, (said.text, said.reasoning, said.refusal)))
    assert said.shortened == (
        not refuses and count(say(Ask(prompt="", question=question), Behaviour()).text) > limit
    )


@given(st.integers(1, 500))
def test_long_is_exact(number: int) -> None:
    said = say(Ask(prompt="", question="x"), Behaviour(long=number))
    assert said.tokens.output == number


def test_tools_are_called_with_arguments_that_fit() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "INTEGER"},
            "unit": {"enum": ["C", "F"]},
            "tags": {"type": "array", "items": {"type": ["string", "null"]}},
            "where": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        },
    }
    assert instance(schema, "Rome") == {
        "city": "Rome",
        "days": 1,
        "unit": "C",
        "tags": ["Rome"],
        "where": None,
    }
    tools = [Tool("one", schema), Tool("two")]
    said = say(Ask(prompt="", question="Rome", tools=tools), Behaviour(tools=3))
    assert [use.name for use in said.tool_uses] == ["one", "two", "one"]
    assert said.text == ""


def test_a_question_may_spell_out_the_call() -> None:
    tools = [Tool("first"), Tool("read_file")]
    question = 'Please call read_file {"path": "a.txt", "lines": [1, 2]} and tell me'
    said = say(Ask(prompt="", question=question, tools=tools), Behaviour())
    [use] = said.tool_uses
    assert (use.name, json.loads(use.arguments)) == (
        "read_file",
        {"path": "a.txt", "lines": [1, 2]},
    )


def test_what_is_no_call_is_not_read_as_one() -> None:
    tools = [Tool("first"), Tool("read_file")]
    quoted = json.dumps('call read_file {"path": 1}')
    for question in ('call write {"a": 1}', quoted, "call read_file now"):
        said = say(Ask(prompt="", question=question, tools=tools), Behaviour())
        assert [use.name for use in said.tool_uses] == ["first"]
