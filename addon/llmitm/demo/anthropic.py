"""The Anthropic dialect: messages whole and streamed, count_tokens, models, batches.

Format: https://docs.claude.com/en/api/messages and /en/docs/build-with-claude/streaming (read 2026-11-24).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from llmitm.calls import Json
from llmitm.demo.desk import Desk, Dialect, required, route, texts
from llmitm.demo.message import ApiError, Reply, Request, Tokens, event, event_reply, json_reply
from llmitm.demo.speech import Ask, Said, Tool, count, pieces, say

SERVED = {
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
"""Aliases and the dated models that answer to them."""
_TIMESTAMP = "2026-09-21T14:13:20Z"
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def usage(tokens: Tokens, long_lived: bool) -> Json:
    """Return the counts in this dialect: input excludes what was read from and written to the cache."""
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if long_lived else tokens.cache_write,
            "ephemeral_1h_input_tokens": tokens.cache_write if long_lived else 0,
        },
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }


def _blocks(document: Json) -> list[Json]:
    """Return everything that the model reads, block by block, tools first as Anthropic orders it."""
    blocks = [tool | {"text": json.dumps(tool)} for tool in document.get("tools") or []]
    system = document.get("system") or []
    contents = [
        system,
        *(message.get("content") for message in required(document, "messages", list)),
    ]
    for content in contents:
        blocks += [{"text": content}] if isinstance(content, str) else content or []
    return blocks


def _ask(document: Json) -> Ask:
    messages = required(document, "messages", list)
    limit = required(document, "max_tokens", int)
    blocks = _blocks(document)
    marked = [at for at, block in enumerate(blocks) if block.get("cache_control")]
    written = blocks[: marked[-1] + 1] if marked else []
    # Claude Code puts a message of the system after the user's.
    spoken = [message for message in messages if message.get("role") != "system"]
    last = spoken[-1].get("content") if spoken else ""
    answered = isinstance(last, list) and any(part.get("type") == "tool_result" for part in last)
    choice = (document.get("tool_choice") or {}).get("type")
    offered = [] if answered or choice == "none" else document.get("tools") or []
    return Ask(
        prompt="\n".join(texts(blocks)),
        question=" ".join(texts(last)),
        limit=limit,
        tools=[
            Tool(tool["name"], tool["input_schema"]) for tool in offered if "input_schema" in tool
        ],
        thinks=(document.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        cache_write=count("\n".join(texts(written))),
    )


def _content(said: Said, digest: str) -> list[Json]:
    content: list[Json] = []
    if said.reasoning:
        signature = f"demo{digest}"
        content.append({"type": "thinking", "thinking": said.reasoning, "signature": signature})
    if said.text or said.refusal:
        content.append({"type": "text", "text": said.text or said.refusal})
    for at, use in enumerate(said.tool_uses):
        identifier = f"toolu_{digest[:22]}{at:02}"
        arguments = json.loads(use.arguments)
        content.append({"type": "tool_use", "id": identifier, "name": use.name, "input": arguments})
    return content


def _stop_reason(said: Said) -> str:
    if said.tool_uses:
        return "tool_use"
    if said.refusal:
        return "refusal"
    return "max_tokens" if said.shortened else "end_turn"


def compose(document: Json, request: Request) -> tuple[Json, Said]:
    """Return the whole message that answers a document, and what it says."""
    asked = required(document, "model")
    said = say(_ask(document), request.behaviour)
    body = {
        "id": f"msg_{request.digest[:24]}",
        "type": "message",
        "role": "assistant",
        "model": SERVED.get(asked, asked),
        "content": _content(said, request.digest),
        "stop_reason": _stop_reason(said),
        "stop_sequence": None,
        "usage": usage(said.tokens, '"ttl":"1h"' in request.content().decode().replace(" ", "")),
    }
    return body, said


def message(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/messages`."""
    document = request.document()
    body, said = compose(document, request)
    if document.get("stream"):
        reply = event_reply(list(_events(body, request.digest)))
    else:
        reply = json_reply(body)
    reply.model, reply.text, reply.finish = (
        body["model"],
        said.text or said.refusal,
        body["stop_reason"],
    )
    # It reports no reasoning by itself.
    reply.tokens = replace(said.tokens, reasoning=0)
    return reply


def _events(body: Json, digest: str) -> Iterator[bytes]:
    for number, document in enumerate(documents(body)):
        # Anthropic pads data lines with blanks against traffic analysis.
        yield event(document, name=document["type"], padding=int(digest[number % 32], 16))


def documents(body: Json) -> Iterator[Json]:
    """Return the events of a stream that gives a message piece by piece."""
    start_usage = body["usage"] | {"output_tokens": 1}
    opened = body | {"content": [], "stop_reason": None, "usage": start_usage}
    yield {"type": "message_start", "message": opened}
    for at, block in enumerate(body["content"]):
        match block["type"]:
            case "thinking":
                blank = block | {"thinking": "", "signature": ""}
                deltas = [
                    ("thinking_delta", "thinking", piece) for piece in pieces(block["thinking"])
                ]
                deltas.append(("signature_delta", "signature", block["signature"]))
            case "tool_use":
                blank = block | {"input": {}}
                text = json.dumps(block["input"], ensure_ascii=False)
                parts = ["", *pieces(text)]
                deltas = [("input_json_delta", "partial_json", piece) for piece in parts]
            case _:
                blank = block | {"text": ""}
                deltas = [("text_delta", "text", piece) for piece in pieces(block["text"])]
        yield {"type": "content_block_start", "index": at, "content_block": blank}
        if at == 0:
            yield {"type": "ping"}
        for kind, key, piece in deltas:
            yield {"type": "content_block_delta", "index": at, "delta": {"type": kind, key: piece}}
        yield {"type": "content_block_stop", "index": at}
    counts = {key: value for key, value in body["usage"].items() if key.endswith("_tokens")}
    stop = {"stop_reason": body["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": counts}
    yield {"type": "message_stop"}


def count_tokens(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/messages/count_tokens`, which is free."""
    number = count("\n".join(texts(_blocks(request.document()))))
    return json_reply({"input_tokens": number})


def models(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/models` and one of them by name."""

    def model(name: str) -> Json:
        return {"type": "model", "id": name, "display_name": name, "created_at": _TIMESTAMP}

    if name := match.groupdict().get("name"):
        return json_reply(model(name))
    names = list(SERVED.values())
    page = {"has_more": False, "first_id": names[0], "last_id": names[-1]}
    return json_reply({"data": [model(name) for name in names]} | page)


def batch(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `POST /v1/messages/batches`: the work is done by the time the answer is sent."""
    lines = []
    for item in required(request.document(), "requests", list):
        body = json.dumps(item["params"]).encode()
        answer = desk.answer(replace(request, target="/v1/messages", body=body))
        document = json.loads(b"".join(answer.parts))
        result = {"type": "succeeded", "message": document}
        if answer.status >= 400:
            result = {"type": "errored", "error": document}
        lines.append(json.dumps({"custom_id": item["custom_id"], "result": result}))
    identifier = f"msgbatch_{request.digest[:24]}"
    desk.files[identifier] = "".join(f"{line}\n" for line in lines).encode()
    errored = sum('"type": "errored"' in line for line in lines)
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    desk.kept[identifier] = {
        "id": identifier,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": counts | {"succeeded": len(lines) - errored, "errored": errored},
        "created_at": _TIMESTAMP,
        "ended_at": _TIMESTAMP,
        "expires_at": _TIMESTAMP,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"https://{request.host}/v1/messages/batches/{identifier}/results",
    }
    begun = {
        "processing_status": "in_progress",
        "request_counts": counts | {"processing": len(lines)},
        "ended_at": None,
        "results_url": None,
    }
    return json_reply(desk.kept[identifier] | begun)


def fetch_batch(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/messages/batches/{id}`."""
    return json_reply(desk.fetch(match["id"]))


def batch_results(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/messages/batches/{id}/results`."""
    desk.fetch(match["id"])
    return Reply([desk.files[match["id"]]], 200, [("content-type", "application/x-jsonl")])


def _speaks(request: Request) -> bool:
    return "/v1/messages" in request.path or request.header("anthropic-version") is not None


def _error_body(status: int, message: str, digest: str) -> Json:
    kind = _ERRORS.get(status, "invalid_request_error" if status < 500 else "api_error")
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": f"req_{digest[:24]}"}


def _error(error: ApiError, request: Request) -> Reply:
    return json_reply(_error_body(error.status, error.message, request.digest), error.status)


def _stream_error(request: Request) -> list[bytes]:
    return [event(_error_body(529, "Overloaded", request.digest), name="error")]


DIALECT = Dialect(
    "anthropic",
    _speaks,
    (
        route("POST", "/v1/messages", message),
        route("POST", "/v1/messages/count_tokens", count_tokens),
        route("POST", "/v1/messages/batches", batch),
        route("GET", "/v1/messages/batches/(?P<id>[^/]+)", fetch_batch),
        route("GET", "/v1/messages/batches/(?P<id>[^/]+)/results", batch_results),
        route("GET", "/v1/models", models),
        route("GET", "/v1/models/(?P<name>[^/]+)", models),
    ),
    _error,
    _stream_error,
)
