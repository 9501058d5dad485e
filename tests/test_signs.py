"""What of calls is taken for a repetition, on whole records; an agent that works is never one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from llmitm.calls import CacheUse, Finished, Identity, Prompt, Refusal, ToolCall
from llmitm.policy.runaways import Finding, RunawayLimits, Runaways
from llmitm.signs import run_of, seen
from store.records import START, agent_session, call, user


def read(record: Finished, **answer: Any) -> Finished:
    """Return a record as the reader makes it: with its prompt's document, and its tool calls."""
    document = json.loads(record.request_text or "")
    prompt = Prompt(model=record.prompt.model, document=document)
    called = [
        ToolCall(block["name"], json.dumps(block["input"]), block["id"])
        for block in json.loads(record.response_text or "").get("content", ())
        if block["type"] == "tool_use"
    ]
    said = {"tool_calls": called} | answer
    return replace(record, prompt=prompt, answer=replace(record.answer, **said))


def found_in(calls: list[Finished]) -> list[Finding]:
    runaways = Runaways(RunawayLimits())
    signs = [seen(each, "r") for each in calls]
    return [found for sign in signs if sign is not None for found in runaways.see(sign)]


@pytest.mark.parametrize("marked", [False, True])
def test_an_agent_that_works_for_200_turns_is_no_runaway(marked: bool) -> None:
    assert found_in([read(each) for each in agent_session(200, marked=marked)]) == []


def test_one_that_calls_the_same_tool_again_and_again_is() -> None:
    calls = [read(each) for each in agent_session(30)]
    stuck = [
        read(each, tool_calls=[ToolCall("search", '{"query":"x"}', f"toolu_{number}")])
        for number, each in enumerate(agent_session(30, marked=True))
    ]
    moved = [
        replace(each, exchange=replace(each.exchange, started_at=START + 300 + 7 * number))
        for number, each in enumerate(stuck)
    ]
    (found,) = found_in(calls + moved)
    assert found.words == "made the same tool call search 8 times in a row"


def asked(number: int, *messages: Any, **more: Any) -> Finished:
    body = {"model": "gpt-5.4", "messages": [*messages], **more}
    return read(call(body, at=START + number * 10))


def test_the_same_question_is_told_in_a_growing_conversation_and_anew() -> None:
    growing = [asked(n, user("Fix it"), *[user(str(i)) for i in range(n)], user("Go on")) for n in range(10)]  # fmt: skip
    anew = [asked(n, user("Fix it")) for n in range(10)]
    assert [each.kind for each in found_in(growing)] == ["prompt"]
    assert [each.kind for each in found_in(anew)] == ["prompt"]


def test_the_same_instruction_on_other_data_is_another_question() -> None:
    data = [asked(n, {"role": "system", "content": f"Text {n}"}, user("Sum it up")) for n in range(50)]  # fmt: skip
    before = [asked(n, user(f"Text {n}"), user("Sum it up")) for n in range(50)]
    assert found_in(data) == found_in(before) == []


def test_a_tools_result_is_no_question() -> None:
    ok = {"role": "tool", "tool_call_id": "1", "content": "ok"}
    assert found_in([asked(n, user("Go"), ok) for n in range(50)]) == []
    said = {"role": "user", "parts": [{"functionResponse": {"name": "t", "response": {}}}]}
    body = {"contents": [{"role": "user", "parts": [{"text": "Go"}]}, said]}
    assert found_in([read(call(body, at=START + n)) for n in range(50)]) == []


def test_what_was_not_sent_or_failed_does_not_count() -> None:
    calls = [asked(n, user("Go")) for n in range(50)]
    for each in calls:
        each.exchange.cache = CacheUse("hit")
    assert [seen(each, "r") for each in calls] == [None] * 50
    for each in calls:
        each.exchange.cache, each.exchange.refusal = None, Refusal("budget_exceeded", "")
    assert [seen(each, "r") for each in calls] == [None] * 50
    for each in calls:
        each.exchange.refusal, each.exchange.status, each.outcome = None, 500, "error"
    assert found_in(calls) == []


@pytest.mark.parametrize(
    ("identity", "name", "look"),
    [
        (Identity(run_id="r1", session_id="s", user="ann"), "r1", "--run r1"),
        (Identity(session_id="a b", user="ann"), "a b", "--session 'a b'"),
        (
            Identity(user="ann", client="curl/8", properties={"process.program": "agent.py"}),
            "ann@agent.py",
            "--program agent.py --user ann",
        ),
        (Identity(client="curl/8"), "curl/8", "--client curl/8"),
    ],
)
def test_whose_run_it_is(identity: Identity, name: str, look: str) -> None:
    assert run_of(identity) == (name, look)


def test_a_call_of_nobody_has_no_run() -> None:
    assert run_of(Identity(user="ann")) is None


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {"messages": None}, {"messages": [None]}, {"messages": {}}, {"input": [1, 2]},
     {"prompt": ["a", "b"]}, {"request": {"contents": [{}]}}, {"messages": [[]], "system": 3}],
)  # fmt: skip
def test_odd_requests_are_looked_at(document: Any) -> None:
    record = replace(call({}), prompt=Prompt(document=document))
    assert seen(record, "r") is not None
