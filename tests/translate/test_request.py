"""What providers are asked: everything that the client's request says, in the provider's own form."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.translate import Untranslatable, between
from providers.odd import ODD, TEXT, shape, some
from translate.answers import PAIRS
from translate.requests import (
    CHAT,
    CLAUDE_CODE,
    CODEX,
    PICTURE,
    REQUESTS,
    SCHEMA,
    check,
    translated,
)

_HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_providers_know_what_is_asked(client: str, provider: str) -> None:
    written = translated(client, provider, copy.deepcopy(REQUESTS[client]))
    check(provider, written)
    assert written.streaming
    assert dict(written.headers)["content-type"] == "application/json"
    assert PICTURE in written.body.decode()
    # The same request gives the same bytes, for caches at both ends.
    assert translated(client, provider, REQUESTS[client]) == written


def test_claude_code_asks_openai() -> None:
    written = translated("anthropic_messages", "openai_chat", CLAUDE_CODE)
    body = check("openai_chat", written)
    assert written.path == "/v1/chat/completions"
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user", "system"]
    assert body["messages"][0]["content"] == "You are an agent."
    assert body["messages"][2] == {
        "role": "assistant",
        "content": "I read them.",
        "tool_calls": [
            {
                "id": f"toolu_{number}",
                "type": "function",
                "function": {"name": "Read", "arguments": f'{{"path":"{path}"}}'},
            }
            for number, path in ((1, "a"), (2, "b"))
        ],
    }
    assert body["messages"][3]["content"] == "A picture:"
    assert body["messages"][4]["content"] == "Error: no such file"
    assert [part["type"] for part in body["messages"][5]["content"]] == [
        "text",
        "image_url",
        "text",
    ]
    assert body["max_completion_tokens"] == 32_000
    assert body["reasoning_effort"] == "high"
    assert body["stream_options"] == {"include_usage": True}
    assert [len(tool["function"]["name"]) <= 64 for tool in body["tools"]] == [True, True]
    assert "temperature" not in body
    assert written.notes == (
        "the billing line of Claude Code's system prompt is left out",
        "tool web_search is left out: only Anthropic has it",
        "reasoning of earlier turns is left out",
        "media in the result of a tool is sent after it, as the user's",
    )


def test_what_an_older_model_lacks_is_left_out() -> None:
    written = translated("anthropic_messages", "openai_chat", CLAUDE_CODE, "gpt-4o")
    body = check("openai_chat", written)
    assert (body["max_tokens"], body["temperature"]) == (16_384, 1)
    assert "reasoning_effort" not in body
    assert "max_tokens is 16,384, the most that gpt-4o can" in written.notes


def test_codex_asks_anthropic() -> None:
    written = translated("openai_responses", "anthropic_messages", CODEX)
    body = check("anthropic_messages", written)
    assert written.path == "/v1/messages"
    assert ("anthropic-version", "2023-06-01") in written.headers
    assert [block["text"] for block in body["system"]] == ["You are an agent.", "Sandboxed."]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    calls = body["messages"][1]["content"]
    assert [(call["id"], call["name"], call["input"]) for call in calls] == [
        ("call_1", "shell", {"command": ["ls"]}),
        ("call_2", "apply_patch", {"input": "*** Begin Patch"}),
        ("call_3", "mail__send", {}),
    ]
    results = body["messages"][2]["content"]
    assert [result["tool_use_id"] for result in results] == ["call_1", "call_2", "call_3"]
    assert [tool["name"] for tool in body["tools"]] == ["shell", "apply_patch", "mail__send"]
    assert "start: patch" in body["tools"][1]["description"]
    assert body["max_tokens"] == 32_000
    # It cannot think on where the thinking before its calls is another's.
    assert "thinking" not in body
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert results[-1]["cache_control"] == {"type": "ephemeral"}
    assert "tool web_search is left out: only OpenAI has it" in written.notes


@pytest.mark.parametrize(
    ("model", "thinking", "output"),
    [
        ("claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 8_192}, None),
        ("claude-opus-4-6", {"type": "adaptive"}, {"effort": "medium"}),
        ("claude-opus-5", {"type": "adaptive"}, {"effort": "medium"}),
        ("claude-3-5-haiku-20241022", None, None),
        ("claude-opus-4-20250514", {"type": "enabled", "budget_tokens": 8_192}, None),
        ("deepseek-chat", {"type": "enabled", "budget_tokens": 8_192}, None),
    ],
)
def test_effort_is_what_the_model_knows(model: str, thinking: Any, output: Any) -> None:
    given = {**_HELLO, "stream": True, "reasoning_effort": "medium", "temperature": 0.5}
    written = translated("openai_chat", "anthropic_messages", given, model)
    body = check("anthropic_messages", written)
    assert (body.get("thinking"), body.get("output_config")) == (thinking, output)
    # Anthropic takes no temperature where it thinks.
    assert ("temperature" in body) == (thinking is None)


def test_thinking_leaves_room_for_the_answer() -> None:
    given = {**_HELLO, "stream": True, "reasoning_effort": "high", "max_tokens": 4_096}
    body = check("anthropic_messages", translated("openai_chat", "anthropic_messages", given))
    assert body["thinking"]["budget_tokens"] == 2_048
    assert body["max_tokens"] == 4_096
    written = translated("openai_chat", "anthropic_messages", {**given, "max_tokens": 100})
    assert "thinking" not in json.loads(written.body)
    assert "reasoning effort is left out: max_tokens leaves no room for thinking" in written.notes


def test_chat_asks_anthropic() -> None:
    written = translated("openai_chat", "anthropic_messages", CHAT)
    body = check("anthropic_messages", written)
    question, call, answer = body["messages"]
    assert [block["type"] for block in question["content"]] == ["text", "image", "document"]
    (use,) = call["content"]
    assert use["id"].isalnum() or "_" in use["id"]
    # The result and what the user said after it are one turn, the result first.
    assert [block["type"] for block in answer["content"]] == ["tool_result", "text"]
    assert answer["content"][0]["tool_use_id"] == use["id"]
    assert body["temperature"] == 1
    assert body["stop_sequences"] == ["END"]
    assert body["metadata"] == {"user_id": "me"}
    assert body["tool_choice"] == {
        "type": "tool",
        "name": "read",
        "disable_parallel_tool_use": True,
    }
    assert {"temperature is 1, the highest there is", "seed has no counterpart"} <= set(
        written.notes
    )


def test_chat_asks_bedrock() -> None:
    written = translated("openai_chat", "bedrock_converse", CHAT)
    body = check("bedrock_converse", written)
    assert written.path == ("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream")
    assert dict(written.headers)["accept"] == "application/vnd.amazon.eventstream"
    document = body["messages"][0]["content"][2]["document"]
    assert (document["format"], document["name"]) == ("pdf", "a 1 pdf")
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "read"}}
    assert body["inferenceConfig"] == {
        "maxTokens": 500,
        "temperature": 1,
        "stopSequences": ["END"],
    }
    assert "cachePoint" in body["messages"][-1]["content"][-1]


def test_other_models_of_bedrock_get_only_what_all_have() -> None:
    given = {**CLAUDE_CODE, "top_k": 5}
    written = translated("anthropic_messages", "bedrock_converse", given, "amazon.nova-pro-v1:0")
    body = check("bedrock_converse", written)
    assert "additionalModelRequestFields" not in body
    assert "cachePoint" not in json.dumps(body)
    assert "reasoningContent" not in json.dumps(body)
    assert "top_k is left out: only Anthropic's models take it here" in written.notes


def test_claude_codes_thinking_survives_to_claude_on_bedrock() -> None:
    written = translated("anthropic_messages", "bedrock_converse", CLAUDE_CODE)
    body = check("bedrock_converse", written)
    assert body["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "Two files.", "signature": "c2ln"}}
    }
    thinking = body["additionalModelRequestFields"]["thinking"]
    assert thinking == {"type": "enabled", "budget_tokens": 16_000}


def test_tools_that_were_called_are_defined_for_bedrock() -> None:
    given = {key: value for key, value in CHAT.items() if not key.startswith("tool")}
    body = check("bedrock_converse", translated("openai_chat", "bedrock_converse", given))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"][:1]] == ["read"]


def test_claude_code_asks_responses() -> None:
    written = translated("anthropic_messages", "openai_responses", CLAUDE_CODE)
    body = check("openai_responses", written)
    kinds = [item["type"] for item in body["input"]]
    assert kinds == [
        "message",
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        "message",
        "message",
    ]
    assert [part["type"] for part in body["input"][4]["output"]] == ["input_text", "input_image"]
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["store"] is False
    assert body["instructions"] == "You are an agent."


@pytest.mark.parametrize(
    ("model", "is_enforced"), [("claude-sonnet-4-5", True), ("claude-opus-4-0", False)]
)
def test_a_schema_is_enforced_where_it_can_be(model: str, is_enforced: bool) -> None:
    form = {"name": "file", "schema": SCHEMA, "strict": True}
    given = {
        **_HELLO,
        "stream": True,
        "response_format": {"type": "json_schema", "json_schema": form},
    }
    written = translated("openai_chat", "anthropic_messages", given, model)
    body = check("anthropic_messages", written)
    if is_enforced:
        expected = {"format": {"type": "json_schema", "schema": SCHEMA}}
        assert (body["output_config"], written.notes) == (expected, ())
    else:
        assert json.dumps(SCHEMA, separators=(",", ":")) in body["system"][0]["text"]
        assert "asked for in words" in written.notes[0]


_REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("openai_chat", {**_HELLO, "n": 2}, "more than one choice"),
    ("openai_chat", {**_HELLO, "modalities": ["text", "audio"]}, "an answer as audio"),
    ("openai_chat", {**_HELLO, "logprobs": True}, "logprobs"),
    ("openai_chat", {"messages": [{"role": "robot", "content": "x"}]}, "role 'robot'"),
    (
        "openai_chat",
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        "'input_audio'",
    ),
    (
        "openai_chat",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        "a file by its id",
    ),
    ("openai_chat", {"messages": []}, "without any message"),
    ("openai_chat", {"messages": "Hello"}, "messages that is no list"),
    ("openai_responses", {"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
    ("openai_responses", {"input": "x", "background": True}, "background"),
    ("openai_responses", {"input": [{"type": "item_reference", "id": "x"}]}, "'item_reference'"),
]


@pytest.mark.parametrize(("client", "document", "reason"), _REFUSED)
def test_what_would_mean_something_else_is_refused(
    client: str, document: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Untranslatable, match=reason):
        translated(client, "anthropic_messages", document)


def test_what_bedrock_does_not_fetch_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    given = {"messages": [{"role": "user", "content": [image]}]}
    with pytest.raises(Untranslatable, match="an image by URL"):
        translated("openai_chat", "bedrock_converse", given)
    body = json.loads(translated("openai_chat", "anthropic_messages", given).body)
    assert body["messages"][0]["content"][0]["source"]["type"] == "url"


_ROLE = st.sampled_from(["user", "assistant", "system", "tool"])
_KIND = st.sampled_from(
    [
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "search_result",
        "web_search_tool_result",
        "input_text",
        "output_text",
        "input_image",
        "input_file",
        "refusal",
        "image_url",
        "file",
        "message",
        "reasoning",
        "function",
        "function_call",
        "function_call_output",
        "custom",
        "custom_tool_call",
        "custom_tool_call_output",
        "namespace",
        "additional_tools",
        "allowed_tools",
        "configuration_update",
        "base64",
        "url",
        "content",
        "json_schema",
        "json_object",
        "enabled",
        "adaptive",
        "auto",
        "any",
    ]
)
_SOURCE = shape(type=_KIND, data=TEXT, url=TEXT, media_type=TEXT)
_FUNCTION = shape(name=TEXT, arguments=TEXT, parameters=ODD, input=TEXT)
_BLOCK = shape(
    type=_KIND,
    text=TEXT,
    id=TEXT,
    tool_use_id=TEXT,
    name=TEXT,
    input=ODD,
    source=_SOURCE,
    image_url=TEXT | shape(url=TEXT),
    file=shape(file_data=TEXT),
    file_data=TEXT,
    content=TEXT | some(ODD),
    signature=TEXT,
    data=TEXT,
)
_ITEM = shape(
    type=_KIND,
    content=TEXT | some(_BLOCK),
    tool_calls=some(shape(id=TEXT, function=_FUNCTION, custom=_FUNCTION)),
    name=TEXT,
    call_id=TEXT,
    tool_call_id=TEXT,
    arguments=TEXT,
    input=TEXT,
    output=TEXT | some(_BLOCK),
    summary=some(shape(text=TEXT)),
    encrypted_content=TEXT | st.just("llmitm.e30="),
    reasoning_details=some(shape(type=_KIND, text=TEXT, signature=TEXT)),
    tools=some(ODD),
)
_SAID = st.builds(lambda item, role: item | {"role": role}, _ITEM, _ROLE)
_TOOL = shape(type=_KIND, name=TEXT, function=_FUNCTION, custom=_FUNCTION, input_schema=ODD)
_OPTIONS = shape(
    tools=st.lists(_TOOL, max_size=2),
    tool_choice=_TOOL | st.sampled_from(["auto", "none", "required"]),
    system=TEXT | some(shape(text=TEXT)),
    stop=TEXT | some(TEXT),
    thinking=shape(type=_KIND, budget_tokens=st.integers(0, 9_000)),
    max_tokens=st.integers(0, 9_000),
    temperature=st.floats(),
    response_format=shape(type=_KIND, json_schema=shape(schema=ODD)),
    text=shape(format=shape(type=_KIND, schema=ODD)),
    reasoning=shape(effort=TEXT),
)
_CHAT = st.lists(_SAID, min_size=1, max_size=3)
_ODD = st.builds(lambda options, chat: options | {"messages": chat, "input": chat}, _OPTIONS, _CHAT)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@given(document=_ODD | ODD)
def test_odd_requests_are_translated_or_refused(client: str, provider: str, document: Any) -> None:
    translation = between(client, provider)
    assert translation is not None
    try:
        written = translation.request(document, model="claude-sonnet-4-5")
    except Untranslatable:
        return
    assert isinstance(json.loads(written.body), dict)


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-5-mini", {"minimal": "minimal", "max": "high"}),
        ("o3", {"minimal": "low", "xhigh": "high"}),
        ("gpt-5.4", {"high": "high", "max": "xhigh"}),
        ("gpt-5.6-sol", {"xhigh": "xhigh", "max": "max"}),
        ("gemini-2.5-pro", {"xhigh": "high", "medium": "medium"}),
        ("gpt-4o", {"high": None}),
    ],
)
def test_efforts_are_those_that_a_model_knows(model: str, efforts: dict[str, str | None]) -> None:
    for asked, expected in efforts.items():
        given = {**_HELLO, "max_tokens": 100, "output_config": {"effort": asked}}
        body = json.loads(translated("anthropic_messages", "openai_chat", given, model).body)
        assert body.get("reasoning_effort") == expected
        body = json.loads(translated("anthropic_messages", "openai_responses", given, model).body)
        assert body.get("reasoning", {}).get("effort") == expected


def test_newer_models_think_with_tools_only_in_responses() -> None:
    written = translated("anthropic_messages", "openai_chat", CLAUDE_CODE, "gpt-5.4")
    assert check("openai_chat", written)["reasoning_effort"] == "none"
    assert "thinking is left out: gpt-5.4 thinks with tools only in Responses" in written.notes
    written = translated("anthropic_messages", "openai_responses", CLAUDE_CODE, "gpt-5.4")
    assert check("openai_responses", written)["reasoning"]["effort"] == "high"


def test_long_descriptions_are_not_lost() -> None:
    tool = {"name": "Agent", "description": "x" * 2_000, "input_schema": SCHEMA}
    given = {**_HELLO, "max_tokens": 100, "tools": [tool]}
    for model, is_moved in (("gpt-4o", True), ("qwen3-coder", False)):
        body = json.loads(translated("anthropic_messages", "openai_chat", given, model).body)
        described = body["tools"][0]["function"]["description"]
        assert (len(described) <= 1_024) == is_moved
        assert ("x" * 2_000 in body["messages"][0]["content"]) == is_moved


def test_users_names_are_such_as_are_taken() -> None:
    given = {**_HELLO, "max_tokens": 100, "metadata": {"user_id": "u" * 190}}
    body = json.loads(translated("anthropic_messages", "openai_chat", given).body)
    assert len(body["user"]) == 32
    for user, is_kept in (("me@example.com", False), ("+49 30 1234", False), ("user_7", True)):
        given = {**_HELLO, "user": user}
        body = json.loads(translated("openai_chat", "anthropic_messages", given).body)
        assert (body["metadata"]["user_id"] == user) == is_kept


@pytest.mark.parametrize("model", ["mistral-large-latest", "mistralai/codestral-2508"])
def test_mistral_gets_ids_like_its_own(model: str) -> None:
    written = translated("anthropic_messages", "openai_chat", CLAUDE_CODE, model)
    messages = json.loads(written.body)["messages"]
    calls = [call["id"] for call in messages[2]["tool_calls"]]
    assert calls == [message["tool_call_id"] for message in messages[3:5]]
    assert all(len(call) == 9 and call.isalnum() for call in calls)
    assert len(set(calls)) == 2
