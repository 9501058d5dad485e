"""OpenAI's endpoints other than text: embeddings, images, audio, moderations, models, files, batches.

Format: https://platform.openai.com/docs/api-reference (read 2026-11-24).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import zlib
from dataclasses import replace

from llmitm.calls import Json
from llmitm.demo.desk import EPOCH, Desk, required, route, texts
from llmitm.demo.message import ApiError, Reply, Request, Tokens, event, event_reply, json_reply
from llmitm.demo.openai_chat import SERVED
from llmitm.demo.speech import count, pieces

MODELS = (*SERVED, "text-embedding-3-small", "gpt-image-1", "whisper-1", "gpt-4o-mini-tts")
# An MPEG-1 layer III frame of 128 kbit/s at 44.1 kHz, all of it silence.
_MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)


def vector(text: str, size: int) -> list[float]:
    """Return numbers between -1 and 1 that depend on the text alone, exact in 32 bits."""
    noise = hashlib.shake_128(text.encode()).digest(size)
    return [(byte - 128) / 128 for byte in noise]


def embeddings(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/embeddings`, as numbers or as base64 of little-endian floats."""
    document = request.document()
    model = required(document, "model")
    given = required(document, "input", (str, list))
    inputs = [given] if isinstance(given, str) else [str(text) for text in given]
    vectors = [vector(text, document.get("dimensions") or 256) for text in inputs]
    packed = document.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": at,
            "embedding": base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()
            if packed
            else row,
        }
        for at, row in enumerate(vectors)
    ]
    tokens = Tokens(input=sum(count(text) for text in inputs))
    usage = {"prompt_tokens": tokens.input, "total_tokens": tokens.input}
    body = {"object": "list", "data": data, "model": model, "usage": usage}
    if request.host == "api.mistral.ai":
        body["id"] = request.digest
    reply = json_reply(body, indent=2)
    reply.model, reply.tokens = model, tokens
    return reply


def picture(digest: str) -> bytes:
    """Return a PNG of 8 by 8 pixels in one colour."""
    row = b"\0" + bytes.fromhex(digest[:6]) * 8

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(row * 8))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def images(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/images/generations`: gpt-image models with usage, DALL·E with addresses."""
    document = request.document()
    prompt = required(document, "prompt")
    model = document.get("model") or "dall-e-2"
    number = document.get("n") or 1
    if model.startswith("dall-e") and document.get("response_format") != "b64_json":
        address = f"https://images.example/{request.digest}"
        data = [{"url": f"{address}/{at}.png"} for at in range(number)]
        return json_reply({"created": EPOCH, "data": data}, indent=2)
    packed = base64.b64encode(picture(request.digest)).decode()
    body: Json = {"created": EPOCH, "data": [{"b64_json": packed}] * number}
    tokens = None
    if not model.startswith("dall-e"):
        tokens = Tokens(input=count(prompt), output=272 * number)
        body |= {
            "background": "opaque",
            "output_format": "png",
            "quality": document.get("quality") or "low",
            "size": document.get("size") or "1024x1024",
            "usage": {
                "input_tokens": tokens.input,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": tokens.input},
                "output_tokens": tokens.output,
                "total_tokens": tokens.input + tokens.output,
            },
        }
    reply = json_reply(body, indent=2)
    reply.tokens = tokens
    return reply


def speech(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/audio/speech` with silence, chunked: one frame for each token."""
    document = request.document()
    frames = max(1, count(required(document, "input")))
    return Reply([_MP3_FRAME] * frames, 200, [("content-type", "audio/mpeg")], streamed=True)


def transcription(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/audio/transcriptions`: JSON, plain text, or CRLF events."""
    form = request.form()
    if "file" not in form:
        raise ApiError(400, "Missing required parameter: 'file'.", "missing_required_parameter")
    name, audio = form["file"]
    model = form.get("model", (None, b"whisper-1"))[1].decode()
    text = f"A recording called {name}, {len(audio)} bytes long."
    tokens = Tokens(input=max(1, len(audio) // 1000), output=count(text))
    usage: Json = {
        "type": "tokens",
        "input_tokens": tokens.input,
        "input_token_details": {"text_tokens": 0, "audio_tokens": tokens.input},
        "output_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
    }
    if model == "whisper-1":
        usage = {"type": "duration", "seconds": tokens.input}
    wanted = form.get("response_format", (None, b"json"))[1].decode()
    if form.get("stream", (None, b""))[1] == b"true":
        documents: list[Json] = [
            {"type": "transcript.text.delta", "delta": piece} for piece in pieces(text)
        ]
        documents.append({"type": "transcript.text.done", "text": text, "usage": usage})
        done = b"data: [DONE]\r\n\r\n"
        reply = event_reply([*(event(each, newline="\r\n") for each in documents), done])
    elif wanted == "text":
        return Reply([f"{text}\n".encode()], 200, [("content-type", "text/plain; charset=utf-8")])
    else:
        reply = json_reply({"text": text, "usage": usage})
    reply.model, reply.text = model, text
    reply.tokens = None if model == "whisper-1" else tokens
    return reply


def moderations(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `/v1/moderations`: nothing is ever flagged."""
    document = request.document()
    given = required(document, "input", (str, list))
    names = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
    result = {
        "flagged": False,
        "categories": dict.fromkeys(names, False),
        "category_scores": dict.fromkeys(names, 0.0001),
    }
    results = [result] * (1 if isinstance(given, str) else len(given))
    model = document.get("model") or "omni-moderation-latest"
    return json_reply(
        {"id": f"modr-{request.digest}", "model": model, "results": results}, indent=2
    )


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": EPOCH, "owned_by": "system"}


def models(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/models` and one of them by name."""
    if name := match.groupdict().get("name"):
        return json_reply(_model(name), indent=2)
    return json_reply({"object": "list", "data": [_model(name) for name in MODELS]}, indent=2)


def upload(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `POST /v1/files`."""
    form = request.form()
    if "file" not in form:
        raise ApiError(400, "Missing required parameter: 'file'.", "missing_required_parameter")
    name, content = form["file"]
    purpose = form.get("purpose", (None, b"user_data"))[1].decode()
    return json_reply(_keep_file(desk, f"file-{request.digest[:24]}", name, purpose, content))


def _keep_file(desk: Desk, identifier: str, name: str | None, purpose: str, content: bytes) -> Json:
    desk.files[identifier] = content
    desk.kept[identifier] = {
        "id": identifier,
        "object": "file",
        "bytes": len(content),
        "created_at": EPOCH,
        "filename": name,
        "purpose": purpose,
        "status": "processed",
    }
    return desk.kept[identifier]


def fetch(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/files/{id}` and `GET /v1/batches/{id}`."""
    return json_reply(desk.fetch(match["id"]), indent=2)


def file_content(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `GET /v1/files/{id}/content`."""
    desk.fetch(match["id"])
    content_type = ("content-type", "application/octet-stream")
    return Reply([desk.files[match["id"]]], 200, [content_type])


def batch(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `POST /v1/batches`: the work is done by the time the answer is sent."""
    document = request.document()
    source = required(document, "input_file_id")
    desk.fetch(source)
    results = []
    for line in desk.files[source].splitlines():
        item = json.loads(line)
        body = json.dumps(item["body"]).encode()
        inner = replace(request, method=item["method"], target=item["url"], body=body)
        answer = desk.answer(inner)
        response = {
            "status_code": answer.status,
            "request_id": f"req_{inner.digest}",
            "body": json.loads(b"".join(answer.parts)),
        }
        identifier = f"batch_req_{inner.digest}"
        custom = item["custom_id"]
        result = {"id": identifier, "custom_id": custom, "response": response, "error": None}
        results.append(json.dumps(result))
    identifier = f"batch_{request.digest}"
    output = f"file-{request.digest[8:]}"
    content = "".join(f"{line}\n" for line in results).encode()
    _keep_file(desk, output, f"{identifier}_output.jsonl", "batch_output", content)
    desk.kept[identifier] = {
        "id": identifier,
        "object": "batch",
        "endpoint": document.get("endpoint"),
        "errors": None,
        "input_file_id": source,
        "completion_window": document.get("completion_window") or "24h",
        "status": "completed",
        "output_file_id": output,
        "error_file_id": None,
        "created_at": EPOCH,
        "completed_at": EPOCH,
        "request_counts": {"total": len(results), "completed": len(results), "failed": 0},
        "metadata": document.get("metadata"),
    }
    validating = {"status": "validating", "output_file_id": None, "completed_at": None}
    return json_reply(desk.kept[identifier] | validating, indent=2)


def input_tokens(request: Request, desk: Desk, match: re.Match[str]) -> Reply:
    """Answer `POST /v1/responses/input_tokens`, which is free."""
    given = texts(request.document().get("input"))
    number = count("\n".join(given))
    return json_reply({"object": "response.input_tokens", "input_tokens": number}, indent=2)


ROUTES = (
    route("POST", "/responses/input_tokens", input_tokens),
    route("POST", "/embeddings", embeddings),
    route("POST", "/images/generations", images),
    route("POST", "/audio/speech", speech),
    route("POST", "/audio/(?:transcriptions|translations)", transcription),
    route("POST", "/moderations", moderations),
    route("GET", "/models", models),
    route("GET", "/models/(?P<name>[^/]+)", models),
    route("POST", "/files", upload),
    route("GET", "/(?:files|batches)/(?P<id>[^/]+)", fetch),
    route("GET", "/files/(?P<id>[^/]+)/content", file_content),
    route("POST", "/batches", batch),
)
