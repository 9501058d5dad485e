"""What a message in Converse's form says, put into an answer. Nova's own bodies have the same form.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Iterable

from llmitm.calls import Answer, Json, ToolCall
from llmitm.providers.fields import filled, items, mapping, text
from llmitm.wire.jsontext import compact


def read(answer: Answer, body: dict[str, Json]) -> None:
    """Add a message's text, thinking and tool calls, and why it ended."""
    answer.finish_reason = text(body.get("stopReason"))
    content = mapping(mapping(body.get("output")).get("message")).get("content")
    if not isinstance(content, list):
        return
    blocks = [mapping(block) for block in content]
    answer.text = "".join(_texts(blocks))
    answer.reasoning = "".join(_thinking(blocks)) or None
    answer.tool_calls = tuple(_tool_calls(blocks))
    if answer.finish_reason == "content_filtered":
        answer.refusal = answer.text or answer.finish_reason


def _texts(blocks: Iterable[dict[str, Json]]) -> Iterable[str]:
    for block in blocks:
        yield text(block.get("text")) or ""
        for part in items(mapping(block.get("citationsContent")).get("content")):
            yield text(mapping(part).get("text")) or ""


def _thinking(blocks: Iterable[dict[str, Json]]) -> Iterable[str]:
    for block in blocks:
        reasoning = mapping(mapping(block.get("reasoningContent")).get("reasoningText"))
        yield text(reasoning.get("text")) or ""


def _tool_calls(blocks: Iterable[dict[str, Json]]) -> Iterable[ToolCall]:
    for block in blocks:
        call = mapping(block.get("toolUse"))
        # Others the provider runs itself: Nova's code interpreter.
        if (name := filled(call.get("name"))) and call.get("type") != "server_tool_use":
            written = call.get("input")
            arguments = written if isinstance(written, str) else compact(written)
            yield ToolCall(name, arguments, filled(call.get("toolUseId")))
