"""OpenAI's Responses: whole, streamed, in the background, and chained by `previous_response_id`.

Format: https://platform.openai.com/docs/api-reference/responses (read 2026-11-24).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.demo.desk import EPOCH, Desk, required, route, texts
from llmitm.demo.message import ApiError, Reply, Request, Tokens, event, event_reply, json_reply
from llmitm.demo.openai_chat import SERVED
from llmitm.demo.speech import Ask, Said, Tool, pieces, say


def usage(tokens: Tokens) -> Json:
    """Return the counts in this dialect: cached inside input, reasoning inside output."""
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {
            "cached_tokens": tokens.cached,
            "cache_write_tokens": tokens.cache_write,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def _ask(document: Json, before: str) -> Ask:
    given = required(document, "input", (str, list))
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    # Codex puts items without text after the question, such as an update of its configuration.
    spoken = [item for item in items if texts(item)]
    each = [" ".join(texts(item)) for item in spoken]
    heard = [before, document.get("instructions") or "", *each]
    # Claude Code, in translation, has a message of the system after the user's.
    asked = [item for item in spoken if item.get("role") not in ("system", "developer")]
    answered = bool(asked) and asked[-1].get("type") == "function_call_output"
    offered = document.get("tools") or []
    callable_tools = [] if answered or document.get("tool_choice") == "none" else offered
    form = (document.get("text") or {}).get("format") or {}
    effort = (document.get("reasoning") or {}).get("effort")
    return Ask(
        prompt="\n".join(part for part in heard if part),
        question=" ".join(texts(asked[-1])) if asked else "",
        limit=document.get("max_output_tokens"),
        tools=[
            Tool(tool["name"], tool.get("parameters"))
            for tool in callable_tools
            if tool.get("type") == "function"
        ],
        schema=form.get("schema"),
        thinks=effort not in (None, "none"),
    )


def _output(said: Said, digest: str) -> list[Json]:
    """Return the items of an answer."""
    items: list[Json] = []
    if said.reasoning:
        summary = [{"type": "summary_text", "text": said.reasoning}]
        items.append({"id": f"rs_{digest}", "type": "reasoning", "summary": summary})
    for at, use in enumerate(said.tool_uses):
        items.append(
            {
                "id": f"fc_{digest[:30]}{at:02}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{digest[:20]}{at:02}",
                "name": use.name,
                "arguments": use.arguments,
            }
        )
    if not said.tool_uses:
        part: Json = {"type": "output_text", "annotations": [], "logprobs": [], "text": said.text}
        if said.refusal:
            part = {"type": "refusal", "refusal": said.refusal}
        items.append(
            {
                "id": f"msg_{digest}",
                "type": "message",
                "status": "incomplete" if said.shortened else "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    return items


def _body(document: Json, said: Said, request: Request, model: str) -> Json:
    """Return the finished response object."""
    reason = {"reason": "max_output_tokens"} if said.shortened else None
    return {
        "id": f"resp_{request.digest}",
        "object": "response",
        "created_at": EPOCH,
        "status": "incomplete" if said.shortened else "completed",
        "background": bool(document.get("background")),
        "error": None,
        "incomplete_details": reason,
        "instructions": document.get("instructions"),
        "max_output_tokens": document.get("max_output_tokens"),
        "model": model,
        "output": _output(said, request.digest),
        "parallel_tool_calls": True,
        "previous_response_id": document.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None} | (document.get("reasoning") or {}),
        "service_tier": document.get("service_tier") or "default",
        "store": document.get("store", True),
        "temperature": document.get("temperature", 1.0),
        "text": document.get("text") or {"format": {"type": "text"}},
        "tool_choice": document.get("tool_choice") or "auto",
        "tools": document.get("tools") or [],
        "top_p": document.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage(said.tokens),
        "user": document.get("user"),
        "metadata": document.get("metadata") or {},
    }


def unfinished(body: Json, status: str) -> Json:
    """Return a response object as it is before it has an answer."""
    return body | {"status": status, "output": [], "usage": None, "incomplete_details": None}


def create(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `POST /v1/responses`."""
    document = request.document()
    asked = required(document, "model")
    before = ""
    if previous := document.get("previous_response_id"):
        if f"{previous}/heard" not in desk.kept:
            raise ApiError(
                400,
                f"Previous response with id '{previous}' not found.",
                "previous_response_not_found",
            )
        before = desk.kept[f"{previous}/heard"]
    question = _ask(document, before)
    said = say(question, request.behaviour)
    body = _body(document, said, request, str(SERVED.get(asked, asked)))
    if body["store"]:
        desk.kept[body["id"]] = body
        desk.kept[f"{body['id']}/heard"] = f"{question.prompt}\n{said.text}"
    if document.get("stream"):
        reply = event_reply(list(_events(body, said, request.digest)))
    elif document.get("background"):
        reply = json_reply(unfinished(body, "queued"), indent=2)
    else:
        reply = json_reply(body, indent=2)
    if document.get("stream") or not document.get("background"):
        reply.tokens, reply.text = said.tokens, said.text
    reply.model = body["model"]
    return reply


def fetch(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/responses/{id}`: its usage was counted when it was made."""
    return json_reply(desk.fetch(match["id"]), indent=2)


def _events(body: Json, said: Said, digest: str) -> Iterator[bytes]:
    for number, document in enumerate(_documents(body, said, digest)):
        yield event(document | {"sequence_number": number}, name=document["type"])


def _documents(body: Json, said: Said, digest: str) -> Iterator[Json]:
    yield {"type": "response.created", "response": unfinished(body, "in_progress")}
    yield {"type": "response.in_progress", "response": unfinished(body, "in_progress")}
    for at, item in enumerate(body["output"]):
        place = {"output_index": at}
        match item["type"]:
            case "reasoning":
                opened = item | {"summary": []}
                inside = _reasoning(item["summary"][0], place | {"item_id": item["id"]})
            case "function_call":
                opened = item | {"arguments": "", "status": "in_progress"}
                inside = _arguments(item["arguments"], place | {"item_id": item["id"]})
            case _:
                opened = item | {"content": [], "status": "in_progress"}
                where = place | {"item_id": item["id"], "content_index": 0}
                inside = _content(item["content"][0], where, digest)
        yield {"type": "response.output_item.added", **place, "item": opened}
        yield from inside
        yield {"type": "response.output_item.done", **place, "item": item}
    yield {"type": f"response.{body['status']}", "response": body}


def _reasoning(part: Json, where: Json) -> Iterator[Json]:
    where = where | {"summary_index": 0}
    prefix = "response.reasoning_summary"
    yield {"type": f"{prefix}_part.added", **where, "part": part | {"text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": f"{prefix}_text.delta", **where, "delta": piece}
    yield {"type": f"{prefix}_text.done", **where, "text": part["text"]}
    yield {"type": f"{prefix}_part.done", **where, "part": part}


def _arguments(arguments: str, where: Json) -> Iterator[Json]:
    prefix = "response.function_call_arguments"
    for piece in pieces(arguments):
        yield {"type": f"{prefix}.delta", **where, "delta": piece}
    yield {"type": f"{prefix}.done", **where, "arguments": arguments}


def _content(part: Json, where: Json, digest: str) -> Iterator[Json]:
    kind, key = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
    more: Json = {"logprobs": []} if key == "text" else {}
    yield {"type": "response.content_part.added", **where, "part": part | {key: ""}}
    for number, piece in enumerate(pieces(part[key])):
        padding = digest[number % 16 : number % 16 + 3 + number % 11]
        yield {
            "type": f"response.{kind}.delta",
            **where,
            "delta": piece,
            **more,
            "obfuscation": padding,
        }
    yield {"type": f"response.{kind}.done", **where, key: part[key], **more}
    yield {"type": "response.content_part.done", **where, "part": part}


ROUTES = (
    route("POST", "/responses", create),
    route("GET", "/responses/(?P<id>[^/]+)", fetch),
)
