"""Cohere's own dialect: chat of version 2, whole and streamed, and embeddings.

Format: https://docs.cohere.com/reference/chat, /reference/chat-stream and /reference/embed
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from llmitm.calls import Json
from llmitm.demo.desk import Desk, Dialect, required, route, texts
from llmitm.demo.message import ApiError, Reply, Request, Tokens, event, event_reply, json_reply
from llmitm.demo.speech import Ask, Said, Tool, count, pieces, say

_LENGTH = 8
"""Numbers of an embedding."""


def _ask(document: Json) -> Ask:
    messages = required(document, "messages", list)
    each = [" ".join(texts(message)) for message in messages]
    answered = bool(messages) and messages[-1].get("role") == "tool"
    offered = [] if answered else document.get("tools") or []
    return Ask(
        prompt="\n".join(each),
        question=each[-1] if each else "",
        limit=document.get("max_tokens"),
        tools=[
            Tool(tool["function"]["name"], tool["function"].get("parameters")) for tool in offered
        ],
        schema=(document.get("response_format") or {}).get("json_schema"),
        thinks=(document.get("thinking") or {}).get("type") == "enabled",
    )


def usage(tokens: Tokens) -> Json:
    """Return the counts in this dialect: what was used, and what of it is charged, here all."""
    counts = {"input_tokens": tokens.input, "output_tokens": tokens.output}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": tokens.cached}


def _finish(said: Said) -> str:
    if said.tool_uses:
        return "TOOL_CALL"
    return "MAX_TOKENS" if said.shortened else "COMPLETE"


def _message(said: Said, digest: str) -> Json:
    content = []
    if said.reasoning:
        content.append({"type": "thinking", "thinking": said.reasoning})
    if said.text or said.refusal:
        content.append({"type": "text", "text": said.text or said.refusal})
    calls = [
        {
            "id": f"{use.name}_{digest[:12]}{at:02}",
            "type": "function",
            "function": {"name": use.name, "arguments": use.arguments},
        }
        for at, use in enumerate(said.tool_uses)
    ]
    return {"role": "assistant"} | ({"tool_calls": calls} if calls else {"content": content})


def chat(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v2/chat`."""
    document = request.document()
    model = required(document, "model")
    said = say(_ask(document), request.behaviour)
    body = {
        "id": request.digest,
        "finish_reason": _finish(said),
        "message": _message(said, request.digest),
        "usage": usage(said.tokens),
    }
    reply = event_reply(list(_events(body))) if document.get("stream") else json_reply(body)
    reply.model, reply.text, reply.finish = model, said.text or said.refusal, _finish(said)
    # It reports no reasoning by itself.
    reply.tokens = replace(said.tokens, reasoning=0)
    return reply


def _events(body: Json) -> Iterator[bytes]:
    for document in _documents(body):
        yield event(document, name=document["type"])
    yield b"data: [DONE]\n\n"


def _documents(body: Json) -> Iterator[Json]:
    message = body["message"]
    blank = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": body["id"], "delta": {"message": blank}}
    for at, part in enumerate(message.get("content", [])):
        yield _event("content-start", at, content=part | {part["type"]: ""})
        for piece in pieces(part[part["type"]]):
            yield _event("content-delta", at, content={part["type"]: piece})
        yield {"type": "content-end", "index": at}
    for at, call in enumerate(message.get("tool_calls", [])):
        opened = call | {"function": call["function"] | {"arguments": ""}}
        yield _event("tool-call-start", at, tool_calls=opened)
        for piece in pieces(call["function"]["arguments"]):
            yield _event("tool-call-delta", at, tool_calls={"function": {"arguments": piece}})
        yield {"type": "tool-call-end", "index": at}
    delta = {"finish_reason": body["finish_reason"], "usage": body["usage"]}
    yield {"type": "message-end", "id": body["id"], "delta": delta}


def _event(kind: str, at: int, **message: Json) -> Json:
    return {"type": kind, "index": at, "delta": {"message": message}}


def embed(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v2/embed`, which counts what it charges and nothing else."""
    document = request.document()
    model = required(document, "model")
    given = required(document, "texts", list)
    tokens = sum(map(count, given))
    vectors = [[len(text) / (at + 1) for at in range(_LENGTH)] for text in given]
    reply = json_reply(
        {
            "id": request.digest,
            "embeddings": {"float": vectors},
            "texts": given,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
            "response_type": "embeddings_by_type",
        }
    )
    reply.model, reply.tokens = model, Tokens(tokens)
    return reply


def _error(error: ApiError, request: Request) -> Reply:
    return json_reply({"id": request.digest, "message": error.message}, error.status)


def _stream_error(request: Request) -> list[bytes]:
    delta = {"finish_reason": "ERROR", "error": "internal server error"}
    return [event({"type": "message-end", "delta": delta}, name="message-end")]


DIALECT = Dialect(
    "cohere",
    lambda request: request.path.endswith(("/v2/chat", "/v2/embed")),
    (route("POST", "/v2/chat", chat), route("POST", "/v2/embed", embed)),
    _error,
    _stream_error,
)
