"""The Responses API: typed output items, server-side tools, answers that are made in the background.

What `GET /responses/{id}` returns was billed with the `POST` that made it, so it is not counted again. Only a response
that is made in the background, as it says itself, is a job: its usage comes with the answer that shows its end, be
that the stream of the `POST` or of a later `GET`, and it is counted with the first of them.
https://platform.openai.com/docs/guides/background
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from llmitm.calls import Answer, Endpoint, Json, ToolCall
from llmitm.providers import openai_server_tools as server_tools
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import filled, items, mapping, text
from llmitm.providers.openai_base import OpenAIDialect
from llmitm.providers.openai_response_stream import ResponseAssembler
from llmitm.providers.openai_responses_socket import ResponsesSocket
from llmitm.providers.sockets import SocketReader
from llmitm.wire.jsontext import compact


class OpenAIResponses(OpenAIDialect):
    """`POST .../responses` and what is done with a response afterwards."""

    name = "openai_responses"
    routes = (
        Route(re.compile(r"/responses/input_tokens/?$"), "count_tokens"),
        Route(re.compile(r"/responses(?:/compact)?/?$"), "chat"),
        Route(re.compile(r"/responses/?$"), "realtime", ("GET",)),
        Route(re.compile(r"/responses/[^/]+/?$"), "chat", ("GET",), counted=False),
        Route(re.compile(r"/responses/[^/]+/cancel/?$"), "chat", counted=False),
        Route(re.compile(r"/responses/[^/]+(?:/input_items)?/?$"), "other", ("GET", "DELETE")),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler | None:
        """Return an assembler of events."""
        # A socket's warm-up is no chat, and has the events of one.
        return None if endpoint.operation == "count_tokens" else ResponseAssembler()

    def socket(self, endpoint: Endpoint, path: str) -> SocketReader | None:
        """Return a reader of a socket's frames."""
        return ResponsesSocket(endpoint)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        if head.endpoint.operation == "chat" and "output" in body:
            output = [mapping(item) for item in items(body.get("output"))]
            _read_output(answer, output)
            answer.finish_reason = filled(body.get("status"))
            if answer.usage.source == "reported":
                fees = server_tools.fees(body, output)
                answer.usage = replace(answer.usage, other={**fees, **answer.usage.other})
                answer.by_model = server_tools.by_model(body, answer)
            if body.get("background") is True:
                answer.job = _job(answer)
        return answer


def _job(answer: Answer) -> Literal["running", "done"] | None:
    """Return the state of a response that is made in the background; one that failed has no usage."""
    if answer.finish_reason in ("queued", "in_progress"):
        return "running"
    return "done" if answer.usage.source == "reported" else None


def _read_output(answer: Answer, output: list[dict[str, Json]]) -> None:
    parts = [
        mapping(part)
        for item in output
        if item.get("type") == "message"
        for part in items(item.get("content"))
    ]
    answer.text = "".join(
        text(p.get("text")) or "" for p in parts if p.get("type") == "output_text"
    )
    refusals = (text(p.get("refusal")) or "" for p in parts if p.get("type") == "refusal")
    answer.refusal = "".join(refusals) or None
    answer.reasoning = _reasoning(output)
    answer.tool_calls = tuple(call for item in output if (call := _tool_call(item)) is not None)


def _tool_call(item: dict[str, Json]) -> ToolCall | None:
    key = {"function_call": "arguments", "custom_tool_call": "input"}.get(str(item.get("type")))
    name = filled(item.get("name"))
    if key is None or name is None:
        return None
    value = item.get(key)
    arguments = value if isinstance(value, str) else compact(value) if value is not None else ""
    return ToolCall(name, arguments, filled(item.get("call_id")))


def _reasoning(output: list[dict[str, Json]]) -> str | None:
    """Return the summaries, else (open models) the thinking itself."""
    thoughts = [item for item in output if item.get("type") == "reasoning"]
    for name in ("summary", "content"):
        parts = [
            text(mapping(part).get("text")) or ""
            for item in thoughts
            for part in items(item.get(name))
        ]
        if found := "\n\n".join(part for part in parts if part):
            return found
    return None


DIALECT = OpenAIResponses()
