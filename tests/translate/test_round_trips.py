"""What a provider wants back comes back to it, through a client that knows nothing of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.providers.dialects import by_name
from llmitm.translate import between, seals, tool_ids
from llmitm.translate.tool_names import ClientTool, ToolNames
from translate.answers import SAID, Call, Said, headers, whole
from translate.requests import SCHEMA, check, translated

_ASKED = Said(
    "I look.",
    thinking="A file.",
    signature="c2lnbmF0dXJl",
    calls=(Call("call_a", "read", {"path": "a"}),),
    finish="tool_use",
)
_CLAUDE_TOOL = {"name": "read", "input_schema": SCHEMA}


def answer(client: str, provider: str, asked: Any, body: bytes) -> Any:
    """Return the provider's answer to a request as the client's JSON."""
    translation = between(client, provider)
    assert translation is not None
    translation.request(asked, model="some-model")
    response = translation.response(200, headers(provider, False), streaming=False, model="m")
    return json.loads(response.feed(body) + response.flush())


def test_thinking_comes_back_to_anthropic_through_codex() -> None:
    asked: dict[str, Any] = {
        "stream": True,
        "reasoning": {"effort": "medium"},
        "tools": [{"type": "function", "name": "read", "parameters": SCHEMA}],
        "input": [{"type": "message", "role": "user", "content": "Look."}],
    }
    said = answer(
        "openai_responses", "anthropic_messages", asked, whole("anthropic_messages", _ASKED)
    )
    asked["input"] += said["output"]
    result = {"type": "function_call_output", "call_id": "call_a", "output": "text"}
    asked["input"].append(result)
    written = translated("openai_responses", "anthropic_messages", asked)
    body = check("anthropic_messages", written)
    assert (
        body["messages"][1]["content"] == json.loads(whole("anthropic_messages", _ASKED))["content"]
    )
    assert body["thinking"]["type"] == "enabled"
    assert written.notes == ()


def test_thinking_comes_back_to_anthropic_through_chat_completions() -> None:
    asked: dict[str, Any] = {
        "stream": True,
        "reasoning_effort": "medium",
        "tools": [{"type": "function", "function": {"name": "read", "parameters": SCHEMA}}],
        "messages": [{"role": "user", "content": "Look."}],
    }
    said = answer("openai_chat", "anthropic_messages", asked, whole("anthropic_messages", _ASKED))
    asked["messages"].append(said["choices"][0]["message"])
    asked["messages"].append({"role": "tool", "tool_call_id": "call_a", "content": "text"})
    written = translated("openai_chat", "anthropic_messages", asked)
    body = check("anthropic_messages", written)
    assert (
        body["messages"][1]["content"] == json.loads(whole("anthropic_messages", _ASKED))["content"]
    )
    # A client that keeps nothing but what OpenAI has itself cannot have it think on.
    kept = ("role", "content", "tool_calls")
    asked["messages"][1] = {key: asked["messages"][1][key] for key in kept}
    written = translated("openai_chat", "anthropic_messages", asked)
    assert "thinking" not in check("anthropic_messages", written)
    assert written.notes == (
        "reasoning effort is left out: the thinking before earlier tool calls is missing",
    )


def test_reasoning_comes_back_to_openai_through_claude_code() -> None:
    asked: dict[str, Any] = {
        "stream": True,
        "max_tokens": 9_000,
        "thinking": {"type": "enabled", "budget_tokens": 8_000},
        "tools": [_CLAUDE_TOOL],
        "messages": [{"role": "user", "content": "Look."}],
    }
    said = answer(
        "anthropic_messages", "openai_responses", asked, whole("openai_responses", _ASKED)
    )
    asked["messages"].append({"role": "assistant", "content": said["content"]})
    result = {"type": "tool_result", "tool_use_id": "call_a", "content": "text"}
    asked["messages"].append({"role": "user", "content": [result]})
    body = check("openai_responses", translated("anthropic_messages", "openai_responses", asked))
    assert body["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "A file."}],
        "encrypted_content": "gAAA",
    }
    # To anybody else it means nothing.
    for provider in ("openai_chat", "bedrock_converse"):
        written = translated("anthropic_messages", provider, asked)
        assert b"llmitm." not in written.body
        assert b"gAAA" not in written.body


def test_geminis_signature_comes_back_with_the_call() -> None:
    function = {"name": "read", "arguments": '{"path":"a"}'}
    call = {
        "id": "function-call-1",
        "type": "function",
        "function": function,
        "extra_content": {"google": {"thought_signature": "Ab+/=="}},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = json.dumps({"id": "x", "model": "gemini-3-pro", "choices": [choice]}).encode()
    asked: dict[str, Any] = {
        "stream": True,
        "max_tokens": 100,
        "tools": [_CLAUDE_TOOL],
        "messages": [{"role": "user", "content": "Look."}],
    }
    said = answer("anthropic_messages", "openai_chat", asked, body)
    (use,) = said["content"]
    assert use["id"].startswith("function-call-1")
    asked["messages"].append({"role": "assistant", "content": [use]})
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "text"}
    asked["messages"].append({"role": "user", "content": [result]})
    sent = json.loads(translated("anthropic_messages", "openai_chat", asked, "gemini-3-pro").body)
    assert sent["messages"][1]["tool_calls"] == [call]
    assert sent["messages"][2]["tool_call_id"] == "function-call-1"


@pytest.mark.parametrize("name", ["mcp__server__" + "x" * 90, "mail.send", "größe"])
def test_names_that_do_not_fit_are_found_again(name: str) -> None:
    asked = {
        "max_tokens": 100,
        "tools": [{"name": name, "input_schema": SCHEMA}],
        "messages": [{"role": "user", "content": "Look."}],
    }
    body = json.loads(translated("anthropic_messages", "openai_chat", asked).body)
    offered = body["tools"][0]["function"]["name"]
    assert offered != name
    said = Said(calls=(Call("call_a", offered, {}),), finish="tool_use")
    message = answer("anthropic_messages", "openai_chat", asked, whole("openai_chat", said))
    assert message["content"][0]["name"] == name


def test_a_tool_of_a_namespace_is_called_in_it() -> None:
    tool = {"type": "function", "name": "send", "parameters": SCHEMA}
    asked = {
        "input": "Send it.",
        "tools": [{"type": "namespace", "name": "mail", "description": "", "tools": [tool]}],
    }
    said = Said(calls=(Call("call_a", "mail__send", {}),), finish="tool_use")
    response = answer("openai_responses", "openai_chat", asked, whole("openai_chat", said))
    (item,) = response["output"]
    assert (item["namespace"], item["name"]) == ("mail", "send")


def test_deepseek_gets_its_own_thinking_back() -> None:
    asked: dict[str, Any] = {"max_tokens": 100, "messages": [{"role": "user", "content": "2+2?"}]}
    said = answer(
        "anthropic_messages", "openai_chat", asked, whole("openai_chat", SAID["thinking"])
    )
    assert said["content"][0]["signature"]  # without it Claude Code would not send it back
    asked["messages"].append({"role": "assistant", "content": said["content"]})
    asked["messages"].append({"role": "user", "content": "Sure?"})
    for model, thinking in (("deepseek-reasoner", "2 and 2 are"), ("gpt-4o", None)):
        body = json.loads(translated("anthropic_messages", "openai_chat", asked, model).body)
        assert body["messages"][1].get("reasoning_content") == thinking


@given(st.text(min_size=1), st.none() | st.text())
def test_ids_carry_what_was_put_in(identifier: str, signature: str | None) -> None:
    if "__sig_" not in identifier:
        assert tool_ids.unsealed(tool_ids.sealed(identifier, signature)) == (identifier, signature)


@given(st.text(), st.text())
def test_ids_fit_and_stay_apart(one: str, other: str) -> None:
    fitting = tool_ids.fitting(one)
    assert len(fitting) <= 40
    assert fitting.replace("_", "").replace("-", "").isalnum() or fitting in ("_", "-")
    assert (fitting == tool_ids.fitting(other)) == (one == other) or fitting in (one, other)


@given(st.lists(st.tuples(st.text(min_size=1), st.none() | st.text(min_size=1)), max_size=5))
def test_names_are_found_again(tools: list[tuple[str, str | None]]) -> None:
    names = ToolNames()
    offered = {names.offer(ClientTool(name, space)): (name, space) for name, space in tools}
    for outward, (name, space) in offered.items():
        assert names.client_tool(outward) == ClientTool(name, space)


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_sealed_is_found_again(values: dict[str, str]) -> None:
    assert seals.unseal(seals.seal(values)) == values


@given(st.text())
def test_what_we_did_not_seal_is_left_alone(text: str) -> None:
    assert seals.unseal(text) is None
    assert seals.unseal(f"llmitm.{text}") is None or text == ""


def test_whole_answers_are_read_by_our_own_dialects() -> None:
    """The names that a translation goes by are those of dialects that there are."""
    for name in ("openai_chat", "anthropic_messages", "bedrock_converse", "openai_responses"):
        assert by_name(name).name == name
