"""Tool calls, their results and what is said, in the forms of four dialects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmitm.wire import turns

ARGUMENTS = {"prompt": "look at all the files in this folder"}
WRITTEN = json.dumps(ARGUMENTS)


@pytest.mark.parametrize(
    ("answer", "identity"),
    [
        ({"content": [{"type": "tool_use", "id": "t1", "name": "Task", "input": ARGUMENTS}]}, "t1"),
        (
            {"choices": [{"message": {"tool_calls": [{"id": "c1", "function": {"name": "Task", "arguments": WRITTEN}}]}}]},
            "c1",
        ),
        ({"output": [{"type": "function_call", "id": "fc", "call_id": "c2", "name": "Task", "arguments": WRITTEN}]}, "c2"),
        ({"candidates": [{"content": {"parts": [{"functionCall": {"name": "Task", "args": ARGUMENTS}}]}}]}, None),
    ],
)  # fmt: skip
def test_tool_calls(answer: dict[str, Any], identity: str | None) -> None:
    found = [each for each in turns.tool_calls(answer) if each[1] == ARGUMENTS]
    assert (identity, ARGUMENTS) in found


@pytest.mark.parametrize(
    ("request_", "told", "answered"),
    [
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]},
            ["a"],
            [],
        ),
        ({"input": "all of it"}, ["all of it"], []),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]}, ["a", "b"], []),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]}]},
            ["tool_result", "t1", "x"],
            ["t1"],
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c2", "output": "x"}]}, [], ["c2"]),
        ({"messages": "odd"}, ["odd"], []),
        ({}, [], []),
        ([], [], []),
    ],
)  # fmt: skip
def test_what_a_request_says(request_: object, told: list[str], answered: list[str]) -> None:
    assert list(turns.told(request_)) == told
    assert list(turns.answered(request_)) == answered


def test_a_task_is_long_enough_to_be_no_coincidence() -> None:
    told = ["<note/> look at all the  files in this folder".replace("  ", " ")]
    assert turns.is_task(ARGUMENTS, told)
    assert turns.is_task({"deep": [{"prompt": "look at all\nthe files in this folder"}]}, told)
    assert not turns.is_task({"prompt": "look"}, told)
    assert not turns.is_task({"prompt": "look at all the other files in it"}, told)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        ({"role": "user", "content": "hi"}, ("user", "hi")),
        ({"role": "model", "parts": [{"text": "a"}, {"functionCall": {"name": "f", "args": {"x": 1}}}]}, ("model", 'a\n→ f {"x": 1}')),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, ("assistant", "→ f {}")),
        ({"role": "user", "content": [{"type": "tool_result", "content": [{"text": "ok"}]}]}, ("user", "← ok")),
        ({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}, ("function_call", "→ f {}")),
        ({"type": "function_call_output", "call_id": "c", "output": "done"}, ("function_call_output", "← done")),
        ({"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}, ("assistant", "(hm)")),
        ({"role": "user", "content": [{"type": "image", "source": {}}]}, ("user", "[image]")),
        ("odd", ("user", "odd")),
    ],
)  # fmt: skip
def test_turns_as_text(turn: object, said: tuple[str, str]) -> None:
    assert turns.said(turn) == said
