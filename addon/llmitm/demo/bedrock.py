"""The dialect of AWS Bedrock: Converse, and InvokeModel with Anthropic's format, whole and streamed.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from llmitm.calls import Json
from llmitm.demo import anthropic
from llmitm.demo.amazon_frames import event_frame, exception_frame
from llmitm.demo.desk import Desk, Dialect, required, route, texts
from llmitm.demo.message import ApiError, Reply, Request, Tokens, json_reply
from llmitm.demo.speech import Ask, Said, Tool, pieces, say

_STREAM = "application/vnd.amazon.eventstream"
_EXCEPTIONS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def _ask(document: Json) -> Ask:
    messages = required(document, "messages", list)
    each = [" ".join(texts(part)) for part in [document.get("system"), *messages]]
    offered = (document.get("toolConfig") or {}).get("tools") or []
    answered = any("toolResult" in part for part in messages[-1]["content"]) if messages else False
    thinking = (document.get("additionalModelRequestFields") or {}).get("thinking") or {}
    return Ask(
        prompt="\n".join(part for part in each if part),
        question=each[-1],
        limit=(document.get("inferenceConfig") or {}).get("maxTokens"),
        tools=[
            Tool(tool["toolSpec"]["name"], tool["toolSpec"]["inputSchema"]["json"])
            for tool in ([] if answered else offered)
            if "toolSpec" in tool
        ],
        thinks=thinking.get("type") == "enabled",
    )


def _content(said: Said, digest: str) -> list[Json]:
    content: list[Json] = []
    if said.reasoning:
        reasoning = {"text": said.reasoning, "signature": f"demo{digest}"}
        content.append({"reasoningContent": {"reasoningText": reasoning}})
    if said.text or said.refusal:
        content.append({"text": said.text or said.refusal})
    for at, use in enumerate(said.tool_uses):
        identifier = f"tooluse_{digest[:20]}{at:02}"
        arguments = json.loads(use.arguments)
        tool_use = {"toolUseId": identifier, "name": use.name, "input": arguments}
        content.append({"toolUse": tool_use})
    return content


def _stop_reason(said: Said) -> str:
    if said.tool_uses:
        return "tool_use"
    if said.refusal:
        return "content_filtered"
    return "max_tokens" if said.shortened else "end_turn"


def usage(tokens: Tokens) -> Json:
    """Return the counts in this dialect: input excludes what was read from and written to the cache."""
    return {
        "inputTokens": tokens.input - tokens.cached - tokens.cache_write,
        "outputTokens": tokens.output,
        "totalTokens": tokens.input + tokens.output,
        "cacheReadInputTokens": tokens.cached,
        "cacheWriteInputTokens": tokens.cache_write,
    }


def converse(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/model/{id}/converse` and `/converse-stream`."""
    said = say(_ask(request.document()), request.behaviour)
    body = {
        "output": {"message": {"role": "assistant", "content": _content(said, request.digest)}},
        "stopReason": _stop_reason(said),
        "usage": usage(said.tokens),
        "metrics": {"latencyMs": 12},
    }
    reply = _streamed(_events(body)) if match["stream"] else json_reply(body)
    return _noted(reply, said, unquote(match["model"]), body["stopReason"])


def _noted(reply: Reply, said: Said, model: str, finish: str) -> Reply:
    # It reports no reasoning by itself.
    reply.model, reply.text, reply.finish = model, said.text or said.refusal, finish
    reply.tokens = replace(said.tokens, reasoning=0)
    return reply


def _streamed(frames: Iterator[bytes]) -> Reply:
    return Reply(list(frames), 200, [("content-type", _STREAM)], streamed=True)


def _events(body: Json) -> Iterator[bytes]:
    yield event_frame("messageStart", {"role": "assistant"})
    for at, block in enumerate(body["output"]["message"]["content"]):
        place = {"contentBlockIndex": at}
        if tool := block.get("toolUse"):
            start = {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}
            yield event_frame("contentBlockStart", {"start": start} | place)
        for delta in _deltas(block):
            yield event_frame("contentBlockDelta", {"delta": delta} | place)
        yield event_frame("contentBlockStop", place)
    yield event_frame("messageStop", {"stopReason": body["stopReason"]})
    yield event_frame("metadata", {"usage": body["usage"], "metrics": body["metrics"]})


def _deltas(block: Json) -> Iterator[Json]:
    match block:
        case {"toolUse": tool}:
            for piece in pieces(json.dumps(tool["input"], ensure_ascii=False)):
                yield {"toolUse": {"input": piece}}
        case {"reasoningContent": {"reasoningText": reasoning}}:
            for piece in pieces(reasoning["text"]):
                yield {"reasoningContent": {"text": piece}}
            yield {"reasoningContent": {"signature": reasoning["signature"]}}
        case {"text": text}:
            for piece in pieces(text):
                yield {"text": piece}


def invoke(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/model/{id}/invoke` and `/invoke-with-response-stream` for Anthropic's models."""
    model = unquote(match["model"])
    required(request.document(), "anthropic_version")
    body, said = anthropic.compose(request.document() | {"model": model}, request)
    if match["stream"]:
        reply = _streamed(_chunks(body, said.tokens))
    else:
        reply = json_reply(body)
        counts = usage(said.tokens)
        for kind, count in (("input", counts["inputTokens"]), ("output", counts["outputTokens"])):
            reply.headers.append((f"x-amzn-bedrock-{kind}-token-count", str(count)))
    return _noted(reply, said, model, body["stop_reason"])


def _chunks(body: Json, tokens: Tokens) -> Iterator[bytes]:
    for document in anthropic.documents(body):
        if document["type"] == "message_stop":
            counts = usage(tokens)
            document["amazon-bedrock-invocationMetrics"] = {
                "inputTokenCount": counts["inputTokens"],
                "outputTokenCount": counts["outputTokens"],
                "invocationLatency": 12,
                "firstByteLatency": 3,
            }
        data = json.dumps(document, ensure_ascii=False).encode()
        yield event_frame("chunk", {"bytes": b64encode(data).decode()})


def _error(error: ApiError, request: Request) -> Reply:
    kind = _EXCEPTIONS.get(
        error.status, "ValidationException" if error.status < 500 else "InternalServerException"
    )
    reply = json_reply({"message": error.message}, error.status)
    reply.headers.append(("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/"))
    return reply


def _stream_error(request: Request) -> list[bytes]:
    message = "The system encountered an unexpected error during processing."
    return [exception_frame("internalServerException", {"message": message})]


_MODEL = "/model/(?P<model>[^/]+)"

DIALECT = Dialect(
    "bedrock",
    lambda request: re.search(f"{_MODEL}/(converse|invoke)", request.path) is not None,
    (
        route("POST", f"{_MODEL}/converse(?P<stream>-stream)?", converse),
        route("POST", f"{_MODEL}/invoke(?P<stream>-with-response-stream)?", invoke),
    ),
    _error,
    _stream_error,
)
