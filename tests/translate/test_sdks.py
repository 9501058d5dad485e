"""The real SDKs, answered by the local provider through a translation of their requests and of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from llmitm.demo.message import Request
from llmitm.demo.router import Router
from llmitm.translate import Untranslatable, between
from translate.answers import PROVIDERS

_MODELS = {
    "openai_chat": "gpt-5-mini",
    "openai_responses": "gpt-5-mini",
    "anthropic_messages": "claude-sonnet-4-5",
    "bedrock_converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
_HOSTS = {
    "anthropic_messages": "api.anthropic.com",
    "bedrock_converse": "bedrock-runtime.us-east-1.amazonaws.com",
}
_KEY = [("authorization", "Bearer key"), ("x-api-key", "key")]
_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}},
    "required": ["path"],
    "additionalProperties": False,
}
_QUESTION = 'call read_file {"path": "notes.txt"}'
Handler = Callable[[httpx2.Request], httpx2.Response]
both = pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])


def others(client: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("provider", [p for p in PROVIDERS if p != client])


def through(client: str, provider: str, behaviour: str = "") -> httpx2.Client:
    """Return a transport that ends at the local provider, which speaks another dialect."""
    router = Router()

    def handle(request: httpx2.Request) -> httpx2.Response:
        translation = between(client, provider)
        assert translation is not None
        asked = json.loads(request.content)
        written = translation.request(asked, model=_MODELS[provider])
        headers = [*written.headers, *_KEY, ("x-demo", behaviour)]
        host = _HOSTS.get(provider, "api.openai.com")
        reply = router.answer(Request("POST", host, written.path, headers, written.body))
        response = translation.response(
            reply.status, reply.headers, streaming=written.streaming, model=asked["model"]
        )
        body = b"".join(map(response.feed, reply.parts)) + response.flush()
        return httpx2.Response(response.status, headers=list(response.headers()), content=body)

    return httpx2.Client(transport=httpx2.MockTransport(handle))


def openai_client(client: str, provider: str, behaviour: str = "") -> openai.OpenAI:
    http = through(client, provider, behaviour)
    return openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0)


def anthropic_client(provider: str, behaviour: str = "") -> anthropic.Anthropic:
    http = through("anthropic_messages", provider, behaviour)
    return anthropic.Anthropic(api_key="k", base_url="http://test", http_client=http, max_retries=0)


@both
@others("openai_chat")
def test_chat_completions(provider: str, streaming: bool) -> None:
    client = openai_client("openai_chat", provider)
    messages: list[Any] = [{"role": "system", "content": "Be brief."}]
    messages.append({"role": "user", "content": _QUESTION})
    function = {"name": "read_file", "description": "Reads.", "parameters": _SCHEMA}
    given: dict[str, Any] = {"model": "any", "tools": [{"type": "function", "function": function}]}

    def ask() -> Any:
        if not streaming:
            return client.chat.completions.create(messages=messages, **given)
        with client.chat.completions.stream(
            messages=messages, stream_options={"include_usage": True}, **given
        ) as stream:
            return stream.get_final_completion()

    first = ask()
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "read_file",
        {"path": "notes.txt"},
    )
    messages.append(first.choices[0].message.to_dict())
    messages[-1].pop("parsed", None)
    for each in messages[-1]["tool_calls"]:
        each["function"].pop("parsed_arguments", None)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "the notes"})
    second = ask()
    assert "the notes" in second.choices[0].message.content
    assert second.choices[0].finish_reason == "stop"
    assert second.usage.prompt_tokens > 0
    assert second.usage.total_tokens == second.usage.prompt_tokens + second.usage.completion_tokens
    assert second.created > 1_700_000_000


@both
@others("anthropic_messages")
def test_messages(provider: str, streaming: bool) -> None:
    client = anthropic_client(provider, "reasoning")
    messages: list[Any] = [{"role": "user", "content": _QUESTION}]
    given: dict[str, Any] = {
        "model": "any",
        "max_tokens": 4_000,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "read_file", "description": "Reads.", "input_schema": _SCHEMA}],
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
    }

    def ask() -> anthropic.types.Message:
        if not streaming:
            return client.messages.create(messages=messages, **given)
        with client.messages.stream(messages=messages, **given) as stream:
            return stream.get_final_message()

    first = ask()
    assert first.stop_reason == "tool_use"
    (use,) = (block for block in first.content if block.type == "tool_use")
    assert (use.name, use.input) == ("read_file", {"path": "notes.txt"})
    messages.append({"role": "assistant", "content": [block.to_dict() for block in first.content]})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "the notes"}
    messages.append({"role": "user", "content": [result]})
    second = ask()
    assert second.stop_reason == "end_turn"
    assert "the notes" in "".join(block.text for block in second.content if block.type == "text")
    assert second.usage.input_tokens > 0
    assert second.usage.output_tokens > 0


@both
@others("openai_responses")
def test_responses(provider: str, streaming: bool) -> None:
    client = openai_client("openai_responses", provider, "reasoning")
    items: list[Any] = [
        {"type": "message", "role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": _QUESTION},
    ]
    tool = {"type": "function", "name": "read_file", "parameters": _SCHEMA, "strict": False}
    patch = {"type": "custom", "name": "apply_patch", "description": "Patches."}
    given: dict[str, Any] = {
        "model": "any",
        "tools": [tool, patch, {"type": "web_search"}],
        "reasoning": {"effort": "medium"},
    }

    def ask() -> Any:
        if not streaming:
            return client.responses.create(input=items, **given)
        with client.responses.stream(input=items, **given) as stream:
            return stream.get_final_response()

    first = ask()
    (call,) = (item for item in first.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("read_file", {"path": "notes.txt"})
    items += [item.to_dict() for item in first.output]
    for item in items:
        item.pop("parsed_arguments", None)
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "the notes"})
    second = ask()
    assert second.status == "completed"
    assert "the notes" in second.output_text
    assert second.usage.input_tokens > 0


@both
@others("openai_responses")
def test_a_custom_tool_is_called_with_a_text(provider: str, streaming: bool) -> None:
    client = openai_client("openai_responses", provider)
    question = 'call apply_patch {"input": "*** Begin Patch\\n*** End Patch"}'
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: line+"}
    tool: Any = {"type": "custom", "name": "apply_patch", "format": grammar}
    items: list[Any] = [{"type": "message", "role": "user", "content": question}]

    def ask() -> Any:
        if not streaming:
            return client.responses.create(model="any", input=items, tools=[tool])
        with client.responses.stream(model="any", input=items, tools=[tool]) as stream:
            return stream.get_final_response()

    (call,) = ask().output
    assert (call.type, call.name) == ("custom_tool_call", "apply_patch")
    assert call.input == "*** Begin Patch\n*** End Patch"
    items.append(call.to_dict())
    items.append({"type": "custom_tool_call_output", "call_id": call.call_id, "output": "Done!"})
    assert "Done!" in ask().output_text


@both
@others("anthropic_messages")
def test_parallel_calls(provider: str, streaming: bool) -> None:
    client = anthropic_client(provider, "tools-2")
    given: dict[str, Any] = {
        "model": "any",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"name": name, "input_schema": _SCHEMA} for name in ("a", "b")],
    }
    if streaming:
        with client.messages.stream(**given) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**given)
    uses = [block for block in message.content if block.type == "tool_use"]
    assert [(use.name, use.input) for use in uses] == [
        ("a", {"path": "Hello"}),
        ("b", {"path": "Hello"}),
    ]
    assert len({use.id for use in uses}) == 2


@others("anthropic_messages")
def test_anthropic_raises_its_own_errors(provider: str) -> None:
    given: dict[str, Any] = {
        "model": "any",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    with pytest.raises(anthropic.RateLimitError, match="Rate limit reached"):
        anthropic_client(provider, "error-429").messages.create(**given)
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        anthropic_client(provider, "error-503").messages.create(**given, stream=True)
    client = anthropic_client(provider, "stream-error-4")
    with (
        pytest.raises(anthropic.APIStatusError, match=r"api_error|overloaded_error"),
        client.messages.stream(**given) as stream,
    ):
        stream.get_final_message()


@others("openai_chat")
def test_openai_raises_its_own_errors(provider: str) -> None:
    given: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
    with pytest.raises(openai.RateLimitError, match="Rate limit reached") as caught:
        openai_client("openai_chat", provider, "error-429").chat.completions.create(**given)
    assert caught.value.code == "rate_limit_exceeded"
    client = openai_client("openai_chat", provider, "stream-error-4")
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(**given, stream=True))


@others("openai_responses")
def test_responses_fail_as_they_do(provider: str) -> None:
    client = openai_client("openai_responses", provider, "stream-error-4")
    with pytest.raises(openai.APIError):
        list(client.responses.create(model="any", input="Hello", stream=True))


@others("openai_chat")
def test_a_schema_is_kept_to(provider: str) -> None:
    form = {"name": "file", "schema": _SCHEMA, "strict": True}
    answer = openai_client("openai_chat", provider).chat.completions.create(
        model="any",
        messages=[{"role": "user", "content": "Hello"}],
        response_format={"type": "json_schema", "json_schema": form},  # type: ignore[arg-type]
    )
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(Untranslatable, match="more than one choice"):
        openai_client("openai_chat", "anthropic_messages").chat.completions.create(
            model="any", messages=[{"role": "user", "content": "Hello"}], n=2
        )
