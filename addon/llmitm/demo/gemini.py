"""The Gemini dialect: generateContent whole, as CRLF events or as a JSON array; countTokens; embeddings.

Format: https://ai.google.dev/api/generate-content (read 2026-11-24).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote

from llmitm.calls import Json
from llmitm.demo.desk import Desk, Dialect, required, route, texts
from llmitm.demo.message import ApiError, Reply, Request, Tokens, event, event_reply, json_reply
from llmitm.demo.openai_other import vector
from llmitm.demo.speech import Ask, Said, Tool, count, pieces, say

MODELS = ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-embedding-001")
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def usage(tokens: Tokens, candidates: int | None, thoughts: int) -> Json:
    """Return the counts in this dialect: thoughts beside candidates, cached inside prompt."""
    counts: Json = {"promptTokenCount": tokens.input}
    if candidates is not None:
        counts["candidatesTokenCount"] = candidates
    counts["totalTokenCount"] = tokens.input + (candidates or 0) + thoughts
    if tokens.cached:
        counts["cachedContentTokenCount"] = tokens.cached
        counts["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": tokens.cached}]
    counts["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tokens.input}]
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    return counts


def _value(document: Json, name: str) -> Json:
    """Return a field under its camelCase name, or under the snake_case one that Google accepts too."""
    snake = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
    return document.get(name, document.get(snake))


def _ask(document: Json) -> Ask:
    contents = required(document, "contents", list)
    each = [" ".join(texts(content)) for content in contents]
    system = texts(_value(document, "systemInstruction"))
    config = _value(document, "generationConfig") or {}
    last = contents[-1].get("parts") or [] if contents else []
    answered = any(_value(part, "functionResponse") for part in last)
    declared = [
        function
        for tool in document.get("tools") or []
        for function in _value(tool, "functionDeclarations") or []
    ]
    thinking = _value(config, "thinkingConfig") or {}
    return Ask(
        prompt="\n".join([*system, *each]),
        question=each[-1] if each else "",
        limit=_value(config, "maxOutputTokens"),
        tools=[
            Tool(
                function["name"],
                function.get("parameters") or _value(function, "parametersJsonSchema"),
            )
            for function in ([] if answered else declared)
        ],
        schema=_value(config, "responseSchema") or _value(config, "responseJsonSchema"),
        thinks=bool(_value(thinking, "includeThoughts") or _value(thinking, "thinkingBudget")),
    )


def _parts(said: Said) -> list[Json]:
    parts: list[Json] = []
    if said.reasoning:
        parts.append({"text": said.reasoning, "thought": True})
    parts += [
        {"functionCall": {"name": use.name, "args": json.loads(use.arguments)}}
        for use in said.tool_uses
    ]
    if said.text or said.refusal:
        parts.append({"text": said.text or said.refusal})
    return parts or [{"text": ""}]


def _finish(said: Said) -> str:
    if said.refusal:
        return "SAFETY"
    return "MAX_TOKENS" if said.shortened else "STOP"


def generate(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `:generateContent` and `:streamGenerateContent`."""
    model = unquote(match["model"])
    said = say(_ask(request.document()), request.behaviour)
    tail = {"modelVersion": model, "responseId": request.digest[:22]}
    if match["method"] == "streamGenerateContent":
        documents = list(_documents(said, tail))
        if request.query.get("alt") == "sse":
            parts = [event(document, newline="\r\n") for document in documents]
            reply = event_reply(parts, "text/event-stream")
        else:
            reply = Reply(
                _array(documents), 200, [("content-type", "application/json; charset=UTF-8")]
            )
            reply.streamed = True
    else:
        candidate = {
            "content": {"parts": _parts(said), "role": "model"},
            "finishReason": _finish(said),
            "index": 0,
        }
        tokens = said.tokens
        counts = usage(tokens, tokens.output - tokens.reasoning, tokens.reasoning)
        reply = _json({"candidates": [candidate], "usageMetadata": counts} | tail)
    reply.model, reply.text, reply.tokens = model, said.text or said.refusal, said.tokens
    reply.finish = _finish(said)
    return reply


def _json(document: Json, status: int = 200) -> Reply:
    reply = json_reply(document, status, indent=2)
    reply.headers = [("content-type", "application/json; charset=UTF-8")]
    return reply


def _documents(said: Said, tail: Json) -> Iterator[Json]:
    """Yield the answer piece by piece; the counts grow, the first has no candidates yet."""
    candidates = thoughts = 0
    parts = [
        piece
        for part in _parts(said)
        for piece in (
            [part | {"text": text} for text in pieces(part["text"])] if "text" in part else [part]
        )
    ]
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part.get("thought"):
            thoughts += 1
        elif "text" in part:
            candidates += 1
        if last:
            # Names and arguments of functions are counted with the end, as everything is by then.
            candidates = said.tokens.output - said.tokens.reasoning
        candidate: Json = {"content": {"parts": [part], "role": "model"}}
        if last:
            candidate["finishReason"] = _finish(said)
        candidate["index"] = 0
        known = candidates if at or last else None
        yield {
            "candidates": [candidate],
            "usageMetadata": usage(said.tokens, known, thoughts),
        } | tail


def _array(documents: list[Json]) -> list[bytes]:
    """Return a JSON array as Google writes it, an element a part, a comma and CRLF between them."""
    elements = [json.dumps(document, ensure_ascii=False, indent=2) for document in documents]
    heads = ["[", *[",\r\n"] * (len(elements) - 1)]
    lines = [f"{head}{element}\n" for head, element in zip(heads, elements, strict=True)]
    return [line.encode() for line in [*lines, "]"]]


def count_tokens(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `:countTokens`, which is free."""
    document = request.document()
    inner = _value(document, "generateContentRequest") or document
    total = count(_ask(inner).prompt)
    details = [{"modality": "TEXT", "tokenCount": total}]
    return _json({"totalTokens": total, "promptTokensDetails": details})


def embed(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `:embedContent` and `:batchEmbedContents`; as with the real ones, without usage."""
    document = request.document()

    def values(one: Json) -> Json:
        text = " ".join(texts(required(one, "content", dict)))
        return {"values": vector(text, _value(one, "outputDimensionality") or 256)}

    if match["method"] == "embedContent":
        reply = _json({"embedding": values(document)})
    else:
        reply = _json({"embeddings": [values(one) for one in required(document, "requests", list)]})
    reply.model = unquote(match["model"])
    return reply


def models(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1beta/models` and one of them by name."""

    def model(name: str) -> Json:
        methods = ["generateContent", "countTokens"]
        return {
            "name": f"models/{name}",
            "displayName": name,
            "supportedGenerationMethods": methods,
        }

    if name := match.groupdict().get("name"):
        return _json(model(name))
    return _json({"models": [model(name) for name in MODELS]})


def _speaks(request: Request) -> bool:
    if "/openai/" in request.path:
        return False
    return request.host.endswith("googleapis.com") or bool(
        re.search(r"/models/[^/]+:\w+$", request.path)
    )


def _error(error: ApiError, request: Request) -> Reply:
    body: Json = {
        "code": error.status,
        "message": error.message,
        "status": _STATUS.get(error.status, "INTERNAL" if error.status >= 500 else "UNKNOWN"),
    }
    wanted = request.behaviour.retry_after
    if error.status == 429 and wanted is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        body["details"] = [{"@type": kind, "retryDelay": f"{wanted}s"}]
    document: Json = {"error": body}
    if request.path.endswith(":streamGenerateContent") and request.query.get("alt") != "sse":
        document = [document]
    return _json(document, error.status)


def _stream_error(request: Request) -> list[bytes]:
    body = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
    return [event({"error": body}, newline="\r\n")]


_MODEL = "/models/(?P<model>[^/:]+):"

DIALECT = Dialect(
    "gemini",
    _speaks,
    (
        route("POST", f"{_MODEL}(?P<method>generateContent|streamGenerateContent)", generate),
        route("POST", f"{_MODEL}(?P<method>countTokens)", count_tokens),
        route("POST", f"{_MODEL}(?P<method>embedContent|batchEmbedContents)", embed),
        route("GET", "/models", models),
        route("GET", "/models/(?P<name>[^/:]+)", models),
    ),
    _error,
    _stream_error,
)
