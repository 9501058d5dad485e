"""A log as agents make it: a session with steps, an agent that starts another one, a prompt that breaks the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from llmitm.calls import Finished, Identity, ToolCall, Usage
from store.records import START, call, prose_of

TASK = "Find every place where the cache key is made and report the files."
TOOLS = [
    {"name": name, "description": prose_of(40, 3), "input_schema": {"type": "object"}}
    for name in ("Task", "Read")
]
WHO = Identity(
    user="ada",
    session_id="s-42",
    client="claude-cli/2.1",
    properties={"Workflow": "refactor", "Step": "look"},
    api_key_fingerprint="00c0ffee0000",
)


def asked(
    *messages: dict[str, Any], system: str = "You write code.", **more: Any
) -> dict[str, Any]:
    """Return a request in Anthropic's form."""
    told = [{"type": "text", "text": system + " " + prose_of(200, 7)}]
    return {
        "model": "claude-opus-5",
        "system": told,
        "tools": TOOLS,
        "messages": list(messages),
        **more,
    }


def said(*content: dict[str, Any]) -> dict[str, Any]:
    """Return an answer in Anthropic's form."""
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": list(content)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def turn(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def anthropic(
    request: dict[str, Any], response: dict[str, Any], at: float, **options: Any
) -> Finished:
    """Return a call of Anthropic's; the tools that the answer calls are those of the record."""
    tools = [
        ToolCall(block["name"], "{}", block["id"])
        for block in response["content"]
        if block["type"] == "tool_use"
    ]
    words = next((block["text"] for block in response["content"] if block["type"] == "text"), None)
    options = {"identity": WHO, "usd": Decimal("0.02"), "latency_ms": 1500} | options
    made = call(
        request,
        words,
        at=at,
        model="claude-opus-5",
        provider="anthropic",
        response=response,
        **options,
    )
    return replace(made, answer=replace(made.answer, tool_calls=tools))


def usage(whole: int, cached: int, written: int = 0) -> Usage:
    return Usage(
        "reported",
        input_tokens=whole,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_5m_tokens=written,
        output_tokens=300,
    )


def calls() -> Iterator[Finished]:
    """Yield the calls of one session in the order of time: a conversation, its agent, and the conversation again."""
    mark = {"cache_control": {"type": "ephemeral"}}
    first = turn("user", text("Where is the cache key made?") | mark)
    start = turn(
        "assistant",
        text("I send somebody."),
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "Task",
            "input": {"prompt": TASK, "kind": "look"},
        },
    )
    yield anthropic(asked(first), said(*start["content"]), START, usage=usage(9_000, 0, 8_990))
    reminder = text("<system-reminder>Today is Tuesday.</system-reminder>")
    yield anthropic(
        asked(turn("user", reminder, text(TASK)), system="You look for things."),
        said(text("It is made in cache_key.py.")),
        START + 5,
        identity=replace(WHO, properties={"Workflow": "refactor", "Step": "search"}),
        usage=usage(4_000, 0, 3_990),
    )
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": "It is made in cache_key.py.",
    }
    second = turn("user", result | mark)
    yield anthropic(
        asked(first, start, second),
        said(text("In cache_key.py.")),
        START + 12,
        usage=usage(9_400, 8_990, 400),
    )
    third = [turn("assistant", text("In cache_key.py.")), turn("user", text("Rename it.") | mark)]
    yield anthropic(
        asked(first, start, second, *third, system="You write code. It is 14:02."),
        said(text("Done.")),
        START + 60,
        identity=replace(WHO, properties={"Workflow": "refactor", "Step": "write"}),
        usage=usage(9_800, 0, 9_790),
    )
