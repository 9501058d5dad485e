"""OpenAI's chat completions and completions.

Format: https://platform.openai.com/docs/api-reference/chat (read 2026-11-24).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from llmitm.calls import Json
from llmitm.demo.desk import EPOCH, Desk, required, route, texts
from llmitm.demo.message import Reply, Request, Tokens, event, event_reply, json_reply
from llmitm.demo.speech import Ask, Said, Tool, pieces, say

SERVED = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
}
"""Aliases and the dated models that answer to them."""
USAGE_UNASKED = frozenset(
    ("api.mistral.ai", "api.deepseek.com", "api.perplexity.ai", "api.cerebras.ai", "openrouter.ai")
)
"""Hosts whose streams have the usage in their last chunk whether one asks or not."""
DONE = b"data: [DONE]\n\n"


def usage(tokens: Tokens) -> Json:
    """Return the counts in this dialect: cached inside prompt, reasoning inside completion."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def question(messages: list[Json]) -> str:
    """Return the newest message's text; aider puts a message of the system after the user's."""
    spoken = [message for message in messages if message.get("role") != "system"]
    return " ".join(texts((spoken or messages or [""])[-1]))


def ask(document: Json) -> Ask:
    """Read a chat request."""
    messages = required(document, "messages", list)
    each = [" ".join(texts(message)) for message in messages]
    offered = document.get("tools") or []
    answered = bool(messages) and messages[-1].get("role") == "tool"
    callable_tools = [] if answered or document.get("tool_choice") == "none" else offered
    form = document.get("response_format") or {}
    return Ask(
        prompt="\n".join(each),
        question=question(messages),
        limit=document.get("max_completion_tokens") or document.get("max_tokens"),
        tools=[
            Tool(tool["function"]["name"], tool["function"].get("parameters"))
            for tool in callable_tools
            if "function" in tool
        ],
        schema=(form.get("json_schema") or {}).get("schema"),
        thinks=document.get("reasoning_effort") not in (None, "none"),
    )


def _finish(said: Said) -> str:
    if said.tool_uses:
        return "tool_calls"
    return "length" if said.shortened else "stop"


def _tool_calls(said: Said, digest: str) -> list[Json]:
    return [
        {
            "id": f"call_{digest[:20]}{at:02}",
            "type": "function",
            "function": {"name": use.name, "arguments": use.arguments},
        }
        for at, use in enumerate(said.tool_uses)
    ]


def chat(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/chat/completions`."""
    document = request.document()
    asked = required(document, "model")
    choices = document.get("n") or 1
    said = say(ask(document), request.behaviour)
    # One usage covers all choices; they share the prompt.
    tokens = replace(
        said.tokens,
        output=said.tokens.output * choices,
        reasoning=said.tokens.reasoning * choices,
    )
    model = SERVED.get(asked, asked)
    streamed = bool(document.get("stream"))
    head = {
        "id": f"chatcmpl-{request.digest[:29]}",
        "object": "chat.completion.chunk" if streamed else "chat.completion",
        "created": EPOCH,
        "model": model,
        "service_tier": document.get("service_tier") or "default",
        "system_fingerprint": "fp_demo",
    }
    if streamed:
        extras = _Extras.of(request.host, document.get("stream_options") or {})
        reply = event_reply([*_chunks(head, said, tokens, choices, extras, request.digest), DONE])
        reply.tokens = tokens if extras.usage else None
    else:
        message: Json = {
            "role": "assistant",
            "content": said.text or None,
            "refusal": said.refusal or None,
            "annotations": [],
        }
        if said.tool_uses:
            message["tool_calls"] = _tool_calls(said, request.digest)
        body = head | {
            "choices": [
                {"index": at, "message": message, "logprobs": None, "finish_reason": _finish(said)}
                for at in range(choices)
            ],
            "usage": usage(tokens),
        }
        reply = json_reply(body, indent=2)
        reply.tokens = tokens
    reply.model, reply.text, reply.finish = model, said.text, _finish(said)
    return reply


def _deltas(said: Said, digest: str) -> Iterator[Json]:
    yield {"role": "assistant", "content": None if said.tool_uses else "", "refusal": None}
    for at, call in enumerate(_tool_calls(said, digest)):
        function = call["function"]
        yield {
            "tool_calls": [{"index": at} | call | {"function": function | {"arguments": ""}}],
        }
        for piece in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
    for piece in pieces(said.refusal):
        yield {"refusal": piece}
    for piece in pieces(said.text):
        yield {"content": piece}


@dataclass(frozen=True, slots=True)
class _Extras:
    """What a stream has beside its text."""

    usage: Literal["own chunk", "last chunk", "x_groq"] | None
    padding: bool

    @classmethod
    def of(cls, host: str, options: Json) -> _Extras:
        if host in USAGE_UNASKED:
            return cls("last chunk", padding=False)
        if host == "api.groq.com":
            return cls("x_groq", padding=False)
        padding = options.get("include_obfuscation", True)
        return cls("own chunk" if options.get("include_usage") else None, padding)

    def in_last_chunk(self, tokens: Tokens, digest: str) -> Json:
        """Return what the last choice's last chunk has beside it."""
        match self.usage:
            case "last chunk":
                return {"usage": usage(tokens)}
            case "x_groq":
                return {"x_groq": {"id": f"req_{digest[:24]}", "usage": usage(tokens)}}
        return {}


def _chunks(
    head: Json, said: Said, tokens: Tokens, choices: int, extras: _Extras, digest: str
) -> Iterator[bytes]:
    def chunk(index: int, delta: Json, finish: str | None, number: int) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = head | {"choices": [choice]}
        if extras.usage == "own chunk":
            body["usage"] = None
        elif finish is not None and index == choices - 1:
            body |= extras.in_last_chunk(tokens, digest)
        if extras.padding:
            body["obfuscation"] = (digest * 2)[number % 16 : number % 16 + 3 + number % 11]
        return event(body)

    number = 0
    for delta in _deltas(said, digest):
        for index in range(choices):
            number += 1
            yield chunk(index, delta, None, number)
    for index in range(choices):
        number += 1
        yield chunk(index, {}, _finish(said), number)
    if extras.usage == "own chunk":
        last = head | {"choices": [], "usage": usage(tokens)}
        yield event(last | {"obfuscation": digest[:7]} if extras.padding else last)


def completion(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/completions`."""
    document = request.document()
    model = required(document, "model")
    prompt = " ".join(texts(required(document, "prompt", (str, list))))
    limit = document.get("max_tokens", 16)
    said = say(
        Ask(prompt=prompt, question=prompt, limit=limit),
        request.behaviour,
    )
    head = {"id": f"cmpl-{request.digest[:29]}", "object": "text_completion", "created": EPOCH}
    head["model"] = model

    def body(text: str, finish: str | None) -> Json:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        return head | {"choices": [choice]}

    counts = usage(said.tokens)
    counts = {key: counts[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if document.get("stream"):
        with_usage = bool((document.get("stream_options") or {}).get("include_usage"))
        nothing: Json = {"usage": None} if with_usage else {}
        chunks = [event(body(piece, None) | nothing) for piece in pieces(said.text)]
        chunks.append(event(body("", _finish(said)) | nothing))
        if with_usage:
            chunks.append(event(head | {"choices": [], "usage": counts}))
        reply = event_reply([*chunks, DONE])
        reply.tokens = said.tokens if with_usage else None
    else:
        reply = json_reply(body(said.text, _finish(said)) | {"usage": counts}, indent=2)
        reply.tokens = said.tokens
    reply.model, reply.text, reply.finish = model, said.text, _finish(said)
    return reply


ROUTES = (
    route("POST", "/chat/completions", chat),
    route("POST", "(?<!chat)/completions", completion),
)
