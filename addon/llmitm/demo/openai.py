"""The OpenAI dialect: its routes together, its error shape, and how its streams fail.

Error codes: https://platform.openai.com/docs/guides/error-codes (read 2026-11-24).
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.demo import openai_chat, openai_other, openai_responses
from llmitm.demo.desk import Dialect
from llmitm.demo.message import ApiError, Reply, Request, event, json_reply

_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def _error(error: ApiError, request: Request) -> Reply:
    kind = _TYPES.get(
        error.status, "invalid_request_error" if error.status < 500 else "server_error"
    )
    code = error.code or _CODES.get(error.status)
    if code == "insufficient_quota":
        kind = code
    body = {"message": error.message, "type": kind, "param": None, "code": code}
    return json_reply({"error": body}, error.status, indent=4)


def _stream_error(request: Request) -> list[bytes]:
    message = "The server had an error while processing your request."
    if not request.path.endswith("/responses"):
        return [event({"error": {"message": message, "type": "server_error", "code": None}})]
    error = {"type": "server_error", "code": "server_error", "message": message, "param": None}
    failed: Json = {
        "id": f"resp_{request.digest}",
        "object": "response",
        "status": "failed",
        "error": {"code": "server_error", "message": message},
        "output": [],
        "usage": None,
    }
    documents = (
        {"type": "error", "sequence_number": 1000, "error": error},
        {"type": "response.failed", "sequence_number": 1001, "response": failed},
    )
    return [event(document, name=str(document["type"])) for document in documents]


DIALECT = Dialect(
    "openai",
    lambda request: True,
    (*openai_chat.ROUTES, *openai_responses.ROUTES, *openai_other.ROUTES),
    _error,
    _stream_error,
)
