"""The streams that clients get, event by event, and odd ones of providers that they are made of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmitm.translate import between, failures
from llmitm.wire.sse import SseDecoder
from translate.answers import SAID, headers, stream


def events(
    client: str, provider: str, body: bytes, asked: dict[str, Any] | None = None
) -> list[tuple[str | None, Any]]:
    """Return the events that a client gets for a provider's stream."""
    translation = between(client, provider)
    assert translation is not None
    if asked is not None:
        translation.request(asked, model="m")
    response = translation.response(200, headers(provider, True), streaming=True, model="m")
    decoder = SseDecoder()
    frames = [*decoder.feed(response.feed(body) + response.flush()), *decoder.flush()]
    return [(f.event, json.loads(f.data) if f.data != b"[DONE]" else "[DONE]") for f in frames]


def chunks(*choices: Any, usage: Any = None) -> bytes:
    """Return a stream of chat completions of these choices."""
    documents = [{"id": "chatcmpl-1", "model": "m", "choices": [choice]} for choice in choices]
    if usage is not None:
        documents.append({"id": "chatcmpl-1", "model": "m", "choices": [], "usage": usage})
    data = [f"data: {json.dumps(document)}\n\n" for document in documents]
    return "".join([*data, "data: [DONE]\n\n"]).encode()


def delta(finish: str | None = None, **fields: Any) -> Any:
    return {"index": 0, "delta": fields, "finish_reason": finish}


def calls(body: bytes) -> list[tuple[str, Any]]:
    """Return the calls of tools that Claude Code sees: names and arguments."""
    blocks: dict[int, tuple[str, list[str]]] = {}
    for _, event in events("anthropic_messages", "openai_chat", body):
        match event:
            case {"content_block": {"type": "tool_use", "name": name}, "index": index}:
                blocks[index] = (name, [])
            case {"delta": {"partial_json": piece}, "index": index}:
                blocks[index][1].append(piece)
    return [(name, json.loads("".join(pieces))) for name, pieces in blocks.values()]


def test_messages_event_by_event() -> None:
    body = stream("openai_chat", SAID["parallel calls"])
    found = events("anthropic_messages", "openai_chat", body)
    assert all(name == event["type"] for name, event in found)
    names = [event["type"] for _, event in found if event["type"] != "content_block_delta"]
    one_block = ["content_block_start", "content_block_stop"]
    assert names == ["message_start", *one_block * 4, "message_delta", "message_stop"]
    starts = [event for _, event in found if event["type"] == "content_block_start"]
    assert [(s["index"], s["content_block"]["type"]) for s in starts] == [
        (0, "thinking"),
        (1, "text"),
        (2, "tool_use"),
        (3, "tool_use"),
    ]
    ending = found[-2][1]
    assert ending["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert ending["usage"] == {
        "input_tokens": 60,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 40,
        "output_tokens": 20,
    }


def test_responses_event_by_event() -> None:
    body = stream("anthropic_messages", SAID["parallel calls"])
    found = events("openai_responses", "anthropic_messages", body)
    assert [event["sequence_number"] for _, event in found] == list(range(len(found)))
    assert all(name == event["type"] for name, event in found)
    names = [event["type"].removeprefix("response.") for _, event in found]
    once = [name for at, name in enumerate(names) if name != (names[at - 1] if at else None)]
    call = ["function_call_arguments.delta", "function_call_arguments.done"]
    assert once == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        *["output_item.added", *call, "output_item.done"] * 2,
        "completed",
    ]
    done = [event["item"] for _, event in found if event["type"] == "response.output_item.done"]
    assert found[-1][1]["response"]["output"] == done
    assert len({item["id"] for item in done}) == 4


def test_chat_event_by_event() -> None:
    body = stream("bedrock_converse", SAID["call"])
    asked = {"messages": [{"role": "user", "content": "x"}], "stream": True}
    with_usage = asked | {"stream_options": {"include_usage": True}}
    plain = events("openai_chat", "bedrock_converse", body, asked)
    assert [name for name, _ in plain] == [None] * len(plain)
    assert plain[-1][1] == "[DONE]"
    assert plain[0][1]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert plain[-2][1]["choices"][0]["finish_reason"] == "tool_calls"
    more = events("openai_chat", "bedrock_converse", body, with_usage)
    assert more[:-2] == plain[:-1]
    assert more[-2][1]["choices"] == []
    assert more[-2][1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 40


def test_usage_that_comes_after_the_end_is_waited_for() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    body = chunks(delta(content="Hi"), delta("stop"), usage=usage)
    found = events("anthropic_messages", "openai_chat", body)
    assert found[-2][1]["usage"]["input_tokens"] == 7
    assert found[-1][0] == "message_stop"


_READ = ("read", {"path": "a"})
_WRITE = ("write", {"n": 1})


def function(name: str | None, arguments: Any) -> Any:
    return {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # Mistral, Gemini: whole calls in one chunk, no index.
        (
            [
                [
                    {"id": "a", "function": function("read", '{"path":"a"}')},
                    {"id": "b", "function": function("write", '{"n":1}')},
                ]
            ],
            [_READ, _WRITE],
        ),
        # Every call has the index 0.
        (
            [
                [{"index": 0, "id": "a", "function": function("read", '{"path":"a"}')}],
                [{"index": 0, "id": "b", "function": function("write", '{"n":1}')}],
            ],
            [_READ, _WRITE],
        ),
        # No ids at all.
        (
            [
                [{"index": 0, "function": function("read", "")}],
                [{"index": 0, "function": function(None, '{"path":"a"}')}],
                [{"index": 1, "function": function("read", '{"path":"b"}')}],
            ],
            [_READ, ("read", {"path": "b"})],
        ),
        # Pieces of two calls in turn.
        (
            [
                [{"index": 0, "id": "a", "function": function("read", '{"pa')}],
                [{"index": 1, "id": "b", "function": function("write", '{"n"')}],
                [{"index": 0, "function": function(None, 'th":"a"}')}],
                [{"index": 1, "function": function(None, ":1}")}],
            ],
            [_READ, _WRITE],
        ),
        # Ollama once sent the arguments as an object; others none for a call without any.
        ([[{"index": 0, "id": "a", "function": function("read", {"path": "a"})}]], [_READ]),
        ([[{"index": 0, "id": "a", "function": function("read", None)}]], [("read", {})]),
        # Snowflake fills the list with empty calls.
        ([[{}, {"index": 0, "id": "a", "function": function("read", '{"path":"a"}')}]], [_READ]),
    ],
)
def test_odd_calls_of_tools(pieces: list[Any], expected: list[Any]) -> None:
    body = chunks(*(delta(tool_calls=piece) for piece in pieces), delta("tool_calls"))
    assert calls(body) == expected


def test_forced_tool_that_ends_with_stop_is_a_use_of_a_tool() -> None:
    call = {"index": 0, "id": "a", "function": function("read", "{}")}
    found = events(
        "anthropic_messages", "openai_chat", chunks(delta(tool_calls=[call]), delta("stop"))
    )
    assert found[-2][1]["delta"]["stop_reason"] == "tool_use"


def test_refusal_is_told_as_one() -> None:
    body = chunks(delta(refusal="No."), delta("content_filter"))
    messages = events("anthropic_messages", "openai_chat", body)
    assert messages[-2][1]["delta"]["stop_reason"] == "refusal"
    responses = events("openai_responses", "openai_chat", body)
    assert responses[-1][0] == "response.incomplete"
    content = responses[-1][1]["response"]["output"][0]["content"]
    assert content == [{"type": "refusal", "refusal": "No."}]


def test_error_in_a_stream_is_the_clients_own_event() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    start = stream("anthropic_messages", SAID["text"]).partition(b"event: content_block_stop")[0]
    body = start + f"event: error\ndata: {json.dumps(error)}\n\n".encode()
    chat = events("openai_chat", "anthropic_messages", body)
    assert chat[-1][1]["error"]["code"] == "server_is_overloaded"
    responses = events("openai_responses", "anthropic_messages", body)
    assert [name for name, _ in responses[-2:]] == ["error", "response.failed"]
    assert responses[-1][1]["response"]["error"]["code"] == "server_is_overloaded"
    assert responses[-1][1]["response"]["status"] == "failed"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, "context_length"),
        (400, {"message": "Input is too long for requested model."}, "context_length"),
        (400, {"error": {"message": "prompt is too long: 2 > 1"}}, "context_length"),
        (400, {"error": {"message": "no such thing"}}, "invalid_request"),
        (400, {"error": {"message": "timeout has to be a number"}}, "invalid_request"),
        (400, {"error": {"message": "Your credit balance is too low"}}, "quota"),
        (429, {"error": {"message": "x", "type": "insufficient_quota"}}, "quota"),
        (429, {"error": {"message": "slow"}}, "rate_limit"),
        (401, {"error": {"message": "x"}}, "authentication"),
        (404, {"error": "model not found"}, "not_found"),
        (529, {"error": {"type": "overloaded_error", "message": "x"}}, "overloaded"),
        (503, "<html>", "overloaded"),
        (502, "upstream connect error", "server"),
    ],
)
def test_refusals_are_of_a_kind(status: int, body: Any, kind: str) -> None:
    data = body if isinstance(body, str) else json.dumps(body)
    failure = failures.of_response(status, (), data.encode())
    assert failure.kind == kind
    assert failure.message
    told = failures.anthropic(failure)["error"]["message"]
    assert ("prompt is too long" in told) == (kind == "context_length")


@pytest.mark.parametrize("finish", ["", None, "stop"])
def test_whole_answer_without_a_reason_for_its_end_is_whole(finish: str | None) -> None:
    """Snowflake gives an empty one, OpenRouter has had none; Perplexity has an empty delta beside the message."""
    choice = {"message": {"content": "Hi"}, "delta": {"content": ""}, "finish_reason": finish}
    translation = between("anthropic_messages", "openai_chat")
    assert translation is not None
    response = translation.response(200, (), streaming=False, model="m")
    response.feed(json.dumps({"choices": [choice]}).encode())
    message = json.loads(response.flush())
    assert (message["content"], message["stop_reason"]) == (
        [{"type": "text", "text": "Hi"}],
        "end_turn",
    )


def test_tool_that_bedrock_runs_itself_is_not_the_clients() -> None:
    call = {
        "toolUseId": "t",
        "name": "nova_code_interpreter",
        "type": "server_tool_use",
        "input": {"a": 1},
    }
    content = [{"toolUse": call}, {"text": "42"}]
    body = {"output": {"message": {"content": content}}, "stopReason": "end_turn"}
    translation = between("anthropic_messages", "bedrock_converse")
    assert translation is not None
    response = translation.response(200, (), streaming=False, model="m")
    response.feed(json.dumps(body).encode())
    assert json.loads(response.flush())["content"] == [{"type": "text", "text": "42"}]


def test_stream_that_says_it_is_done_is_whole() -> None:
    """Snowflake gives no reason; thinking is in the details alone."""
    thinking = delta(content="", reasoning_details=[{"type": "reasoning.text", "text": "Hm."}])
    found = events("anthropic_messages", "openai_chat", chunks(thinking, delta(content="Hi")))
    assert [event["type"] for _, event in found[-2:]] == ["message_delta", "message_stop"]
    assert any(event.get("delta", {}).get("thinking") == "Hm." for _, event in found)
    # Nothing at all is no answer.
    ((name, _),) = events("anthropic_messages", "openai_chat", b"data: [DONE]\n\n")
    assert name == "error"
