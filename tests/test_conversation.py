"""Bodies of every dialect as a conversation; what is not known is shown all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.conversation import Message, Part, answered, asked, common, text

REQUESTS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "OpenAI chat": (
        {
            "messages": [
                {"role": "developer", "content": "Be kind"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look"},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "42"},
            ]
        },
        [
            ("system", "text", "Be kind"),
            ("user", "text", "Look"),
            ("user", "media", "https://x/y.png"),
            ("assistant", "tool_call", '{\n  "a": 1\n}'),
            ("tool", "tool_result", "42"),
        ],
    ),
    "Anthropic": (
        {
            "system": [{"type": "text", "text": "Be kind"}],
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm"},
                        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": "42"}],
                        }
                    ],
                },
            ],
        },
        [
            ("system", "text", "Be kind"),
            ("user", "text", "Hi"),
            ("assistant", "thinking", "hm"),
            ("assistant", "tool_call", "{}"),
            ("tool", "tool_result", "42"),
        ],
    ),
    "Responses": (
        {
            "instructions": "Be kind",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                },
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
                {"type": "function_call_output", "call_id": "c", "output": "42"},
            ],
        },
        [
            ("system", "text", "Be kind"),
            ("user", "text", "Hi"),
            ("assistant", "thinking", "hm"),
            ("assistant", "tool_call", "{}"),
            ("tool", "tool_result", "42"),
        ],
    ),
    "Gemini": (
        {
            "systemInstruction": {"parts": [{"text": "Be kind"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"functionCall": {"name": "f", "args": {}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "f", "response": {"a": 42}}}],
                },
            ],
        },
        [
            ("system", "text", "Be kind"),
            ("user", "text", "Hi"),
            ("assistant", "thinking", "hm"),
            ("assistant", "tool_call", "{}"),
            ("tool", "tool_result", '{\n  "a": 42\n}'),
        ],
    ),
    "Bedrock Converse": (
        {
            "system": [{"text": "Be kind"}],
            "messages": [
                {"role": "user", "content": [{"text": "Hi"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
                        {"toolUse": {"name": "f", "input": {}, "toolUseId": "t"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "42"}]}}],
                },
            ],
        },
        [
            ("system", "text", "Be kind"),
            ("user", "text", "Hi"),
            ("assistant", "thinking", "hm"),
            ("assistant", "tool_call", "{}"),
            ("tool", "tool_result", "42"),
        ],
    ),
    "a prompt": ({"prompt": "Once"}, [("user", "text", "Once")]),
    "texts to embed": (
        {"input": ["one", "two"]},
        [("user", "text", "one"), ("user", "text", "two")],
    ),
}


@pytest.mark.parametrize("dialect", REQUESTS)
def test_requests(dialect: str) -> None:
    body, wanted = REQUESTS[dialect]
    found = asked(json.dumps(body))
    said = [
        (message.role, part.kind, part.text) for message in found.messages for part in message.parts
    ]
    assert said == wanted


ANSWERS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "OpenAI chat": (
        {
            "choices": [
                {"message": {"role": "assistant", "content": "Hi", "reasoning_content": "hm"}}
            ]
        },
        [("thinking", "hm"), ("text", "Hi")],
    ),
    "a completion": ({"choices": [{"text": "upon a time"}]}, [("text", "upon a time")]),
    "Anthropic": ({"content": [{"type": "text", "text": "Hi"}]}, [("text", "Hi")]),
    "Responses": (
        {
            "output": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hi"}],
                }
            ]
        },
        [("text", "Hi")],
    ),
    "Gemini": (
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}}]},
        [("text", "Hi")],
    ),
    "Bedrock": (
        {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}},
        [("text", "Hi")],
    ),
    "Ollama": ({"message": {"role": "assistant", "content": "Hi"}}, [("text", "Hi")]),
    "Cohere": ({"text": "Hi"}, [("text", "Hi")]),
}


@pytest.mark.parametrize("dialect", ANSWERS)
def test_answers(dialect: str) -> None:
    body, wanted = ANSWERS[dialect]
    found = [
        (part.kind, part.text) for message in answered(json.dumps(body)) for part in message.parts
    ]
    assert found == wanted


def test_what_is_not_known_is_shown() -> None:
    (message,) = answered('{"data": [{"embedding": "left out"}]}')
    assert "left out" in message.parts[0].text
    (strange,) = asked(
        '{"messages": [{"role": "user", "content": [{"type": "new_thing", "value": 7}]}]}'
    ).messages
    assert (strange.parts[0].kind, strange.parts[0].name) == ("other", "new_thing")
    assert asked("no JSON").messages == [Message("user", [Part("text", "no JSON")])]
    assert asked(None).messages == ()


def test_tools_and_settings() -> None:
    found = asked(
        json.dumps(
            {
                "model": "m",
                "tools": [
                    {"type": "function", "function": {"name": "f"}},
                    {"name": "g"},
                    {"type": "web_search"},
                ],
            }
        )
    )
    assert list(found.tools) == ["f", "g", "web_search"]
    assert found.settings == {"model": "m"}


def test_what_two_have_in_common() -> None:
    one = [Message("user", [Part("text", "a")]), Message("assistant", [Part("text", "b")])]
    assert common(one, [*one, Message("user", [Part("text", "c")])]) == 2
    assert common(one, one[1:]) == 0
    assert (
        text(Message("assistant", [Part("text", "a"), Part("tool_call", "{}", "f")]))
        == "a\n[tool_call f] {}"
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "parts",
                    "messages",
                    "input",
                    "contents",
                    "system",
                    "tools",
                    "function",
                    "name",
                    "choices",
                    "message",
                    "output",
                    "candidates",
                    "tool_calls",
                    "arguments",
                    "thinking",
                    "toolUse",
                    "functionCall",
                    "summary",
                    "image_url",
                    "request",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(_JSON)
def test_no_body_is_refused(body: Any) -> None:
    written = json.dumps(body)
    for message in (*asked(written).messages, *answered(written)):
        for part in message.parts:
            assert isinstance(part.text, str)
