"""Answers as providers document them, whole and streamed, of one thing that is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from wire.aws import message

PROVIDERS = ("openai_chat", "anthropic_messages", "bedrock_converse", "openai_responses")
CLIENTS = ("openai_chat", "anthropic_messages", "openai_responses")
PAIRS = [(client, provider) for client in CLIENTS for provider in PROVIDERS if client != provider]
CONTENT_TYPES = {"bedrock_converse": "application/vnd.amazon.eventstream"}


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a model says, in no dialect."""

    text: str = ""
    thinking: str = ""
    signature: str = "c2ln"
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    """stop, length or tool_use."""
    input: int = 100
    cached: int = 40
    output: int = 20
    reasoning: int = 0


def whole(provider: str, said: Said) -> bytes:
    return json.dumps(_WHOLE[provider](said)).encode()


def stream(provider: str, said: Said) -> bytes:
    return b"".join(_STREAMS[provider](said))


def headers(provider: str, streaming: bool) -> list[tuple[str, str]]:
    kind = CONTENT_TYPES.get(provider, "text/event-stream") if streaming else "application/json"
    return [("content-type", kind), ("date", "Thu, 26 Nov 2026 12:00:00 GMT")]


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _sse(document: dict[str, Any], name: str | None = None) -> bytes:
    data = f"data: {json.dumps(document)}\n\n"
    return (f"event: {name}\n{data}" if name else data).encode()


def _chat_usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.input,
        "completion_tokens": said.output,
        "total_tokens": said.input + said.output,
        "prompt_tokens_details": {"cached_tokens": said.cached},
        "completion_tokens_details": {"reasoning_tokens": said.reasoning},
    }


def _chat_head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_790_000_000, "model": "some-model"}


_CHAT_FINISH = {"stop": "stop", "length": "length", "tool_use": "tool_calls"}


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for call in said.calls
    ]


def _chat_whole(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if said.calls:
        message["tool_calls"] = _chat_calls(said)
    choice = {"index": 0, "message": message, "finish_reason": _CHAT_FINISH[said.finish]}
    return _chat_head("chat.completion") | {"choices": [choice], "usage": _chat_usage(said)}


def _chat_stream(said: Said) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = _chat_head("chat.completion.chunk")
        return _sse(head | {"choices": [choice], "usage": None})

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(said.thinking):
        yield chunk({"reasoning_content": piece})
    for piece in _pieces(said.text):
        yield chunk({"content": piece})
    for index, call in enumerate(_chat_calls(said)):
        arguments = call["function"]["arguments"]
        opened = call | {"index": index, "function": call["function"] | {"arguments": ""}}
        yield chunk({"tool_calls": [opened]})
        for piece in _pieces(arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _CHAT_FINISH[said.finish])
    yield _sse(_chat_head("chat.completion.chunk") | {"choices": [], "usage": _chat_usage(said)})
    yield b"data: [DONE]\n\n"


_ANTHROPIC_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_use": "tool_use"}


def _anthropic_whole(said: Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thinking:
        content.append({"type": "thinking", "thinking": said.thinking, "signature": said.signature})
    if said.text:
        content.append({"type": "text", "text": said.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in said.calls
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "some-model",
        "content": content,
        "stop_reason": _ANTHROPIC_FINISH[said.finish],
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.input - said.cached,
            "cache_read_input_tokens": said.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": said.output,
        },
    }


def _anthropic_stream(said: Said) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, **fields}, kind)

    document = _anthropic_whole(said)
    usage = document["usage"]
    opened = {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    yield event("message_start", message=document | opened)
    for index, block in enumerate(document["content"]):
        match block["type"]:
            case "thinking":
                blank = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [
                    {"type": "thinking_delta", "thinking": piece}
                    for piece in _pieces(block["thinking"])
                ]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "text":
                blank = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
            case _:
                blank = block | {"input": {}}
                written = json.dumps(block["input"])
                # A call without arguments has one empty piece.
                parts = ["", *_pieces(written)] if block["input"] else [""]
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        yield event("content_block_start", index=index, content_block=blank)
        yield event("ping")
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    stop = {"stop_reason": document["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": said.output})
    yield event("message_stop")


def _converse_whole(said: Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thinking:
        reasoning = {"text": said.thinking, "signature": said.signature}
        content.append({"reasoningContent": {"reasoningText": reasoning}})
    if said.text:
        content.append({"text": said.text})
    content += [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}}
        for call in said.calls
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _ANTHROPIC_FINISH[said.finish],
        "usage": {
            "inputTokens": said.input - said.cached,
            "cacheReadInputTokens": said.cached,
            "outputTokens": said.output,
            "totalTokens": said.input + said.output,
        },
        "metrics": {"latencyMs": 1},
    }


def _converse_stream(said: Said) -> Iterator[bytes]:
    def event(name: str, **payload: Any) -> bytes:
        return message({":event-type": name}, json.dumps(payload).encode())

    document = _converse_whole(said)
    yield event("messageStart", role="assistant", p="ab")
    for index, block in enumerate(document["output"]["message"]["content"]):
        deltas: list[dict[str, Any]]
        match block:
            case {"toolUse": call}:
                start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
                yield event("contentBlockStart", contentBlockIndex=index, start=start)
                written = json.dumps(call["input"]) if call["input"] else ""
                deltas = [{"toolUse": {"input": piece}} for piece in _pieces(written) or [""]]
            case {"reasoningContent": {"reasoningText": inside}}:
                deltas = [
                    {"reasoningContent": {"text": piece}} for piece in _pieces(inside["text"])
                ]
                deltas.append({"reasoningContent": {"signature": inside["signature"]}})
            case _:
                deltas = [{"text": piece} for piece in _pieces(block["text"])]
        for delta in deltas:
            yield event("contentBlockDelta", contentBlockIndex=index, delta=delta, p="abc")
        yield event("contentBlockStop", contentBlockIndex=index)
    yield event("messageStop", stopReason=document["stopReason"])
    yield event("metadata", usage=document["usage"], metrics={"latencyMs": 1})


def _responses_whole(said: Said) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if said.thinking:
        output.append(
            {
                "id": "rs_1",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": said.thinking}],
                "encrypted_content": "gAAA",
            }
        )
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": []}
        output.append(
            {
                "id": "msg_1",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    output += [
        {
            "id": f"fc_{call.id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": json.dumps(call.arguments),
        }
        for call in said.calls
    ]
    cut = said.finish == "length"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": "some-model",
        "output": output,
        "usage": {
            "input_tokens": said.input,
            "input_tokens_details": {"cached_tokens": said.cached},
            "output_tokens": said.output,
            "output_tokens_details": {"reasoning_tokens": said.reasoning},
            "total_tokens": said.input + said.output,
        },
    }


def _responses_stream(said: Said) -> Iterator[bytes]:
    document = _responses_whole(said)
    number = iter(range(10_000))

    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, "sequence_number": next(number), **fields}, kind)

    begun = document | {"status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(document["output"]):
        place: dict[str, Any] = {"output_index": index, "item_id": item["id"]}
        match item["type"]:
            case "reasoning":
                opened, text = item | {"summary": []}, item["summary"][0]["text"]
                place["summary_index"] = 0
                kind = "response.reasoning_summary_text"
            case "message":
                opened, text = item | {"content": []}, item["content"][0]["text"]
                place["content_index"] = 0
                kind = "response.output_text"
            case _:
                opened, text = item | {"arguments": ""}, item["arguments"]
                kind = "response.function_call_arguments"
        yield event("response.output_item.added", output_index=index, item=opened)
        for piece in _pieces(text):
            yield event(f"{kind}.delta", delta=piece, obfuscation="xy", **place)
        yield event(f"{kind}.done", **place)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event(f"response.{document['status']}", response=document)


_WHOLE = {
    "openai_chat": _chat_whole,
    "anthropic_messages": _anthropic_whole,
    "bedrock_converse": _converse_whole,
    "openai_responses": _responses_whole,
}
_STREAMS = {
    "openai_chat": _chat_stream,
    "anthropic_messages": _anthropic_stream,
    "bedrock_converse": _converse_stream,
    "openai_responses": _responses_stream,
}

_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["read_file", "mcp__search__web", "shell"]),
        st.dictionaries(
            st.sampled_from(["path", "n", "ä"]), _WORDS | st.integers(-5, 5), max_size=2
        ),
    ),
    max_size=3,
)


@st.composite
def anything_said(draw: st.DrawFn) -> Said:
    """Return anything that a model may say."""
    calls = tuple(
        Call(f"call_{index}", name, arguments)
        for index, (name, arguments) in enumerate(draw(_CALLS))
    )
    cached = draw(st.integers(0, 50))
    return Said(
        text=draw(st.just("") | _WORDS) if calls else draw(_WORDS),
        thinking=draw(st.just("") | _WORDS),
        calls=calls,
        finish="tool_use" if calls else draw(st.sampled_from(["stop", "length"])),
        input=cached + draw(st.integers(1, 50)),
        cached=cached,
        output=draw(st.integers(10, 50)),
    )


SAID = {
    "text": Said("Good morning.", output=5),
    "cut": Said("Once upon", finish="length"),
    "thinking": Said("4", thinking="2 and 2 are"),
    "call": Said(calls=(Call("call_a", "read_file", {"path": "a.txt"}),), finish="tool_use"),
    "bare call": Said("Now.", calls=(Call("call_a", "list_files", {}),), finish="tool_use"),
    "parallel calls": Said(
        "I look.",
        thinking="Two of them.",
        calls=(
            Call("call_a", "read_file", {"path": "ä.txt"}),
            Call("call_b", "read_file", {"path": "b.txt", "lines": [1, 2]}),
        ),
        finish="tool_use",
    ),
}
