"""What went wrong at a provider, as a kind that every dialect has a name for.

Clients act on the kind: Claude Code compacts at "prompt is too long", Codex stops at `insufficient_quota`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from llmitm.calls import Headers, Json, header
from llmitm.providers import error_bodies
from llmitm.wire import jsontext

type FailureKind = Literal[
    "invalid_request",
    "authentication",
    "quota",
    "permission",
    "not_found",
    "too_large",
    "context_length",
    "rate_limit",
    "timeout",
    "overloaded",
    "server",
]

_BY_STATUS: dict[int, FailureKind] = {
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_STATUS: dict[FailureKind, int] = {
    "invalid_request": 400,
    "context_length": 400,
    "server": 500,
    "quota": 429,
    "overloaded": 529,
    "timeout": 504,
    **{kind: status for status, kind in _BY_STATUS.items() if status in (401, 403, 404, 413, 429)},
}
_IN_MESSAGES = ("context_length", "quota")
"""Kinds that some providers have no type or code for."""
_BY_WORD: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        "context_length",
        re.compile(
            r"context_length_exceeded|prompt is too long|maximum context length|context window"
            r"|input is too long|too many input tokens|exceeds the maximum number of tokens",
            re.I,
        ),
    ),
    ("quota", re.compile(r"insufficient_quota|billing_error|credit balance is too low", re.I)),
    ("overloaded", re.compile(r"overloaded|serviceunavailable|slow_down", re.I)),
    ("rate_limit", re.compile(r"rate_limit|throttl|too_many_requests|resource_exhausted", re.I)),
    ("authentication", re.compile(r"authentication_error|invalid_api_key", re.I)),
    ("timeout", re.compile(r"timeout", re.I)),
)
_LONGEST = 2_000
"""Characters of a body that is no JSON."""
_OPENAI: dict[FailureKind, tuple[str, str | None]] = {
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", "model_not_found"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "timeout": ("server_error", "timeout"),
    "overloaded": ("server_error", "server_is_overloaded"),
    "server": ("server_error", "server_error"),
}
_ANTHROPIC: dict[FailureKind, str] = {
    "authentication": "authentication_error",
    "quota": "billing_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "timeout": "timeout_error",
    "overloaded": "overloaded_error",
    "server": "api_error",
}
_TOO_LONG = "prompt is too long"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of a provider's."""

    kind: FailureKind
    message: str

    @property
    def status(self) -> int:
        """Return the status that goes with the kind, where the provider gave none."""
        return _STATUS[self.kind]


def of_response(status: int, headers: Headers, body: bytes) -> Failure:
    """Read the body of a refusal."""
    document = jsontext.parse_or_none(body)
    error = error_bodies.read(document, status)
    told = error.message or body[:_LONGEST].decode("utf-8", "replace").strip()
    types = f"{error.type} {_code(document)} {header(headers, 'x-amzn-errortype')}"
    kind = _BY_STATUS.get(status, "server" if status >= 500 else "invalid_request")
    if kind in ("invalid_request", "rate_limit", "too_large", "server"):
        kind = _by_word(types, told, kind)
    return Failure(kind, told or f"the provider answered with status {status} and nothing else")


def of_event(error: Json) -> Failure:
    """Read an error in a stream, or one that came with status 200."""
    document = error if isinstance(error, dict) and "error" in error else {"error": error}
    read = error_bodies.read(document, 400)
    code = _code(document)
    message = read.message or "the provider reported an error without saying which"
    kind = _by_word(f"{read.type} {code}", message, "server")
    if kind == "server" and code in _NUMBERS:
        kind = _BY_STATUS.get(int(code), "server" if int(code) >= 500 else "invalid_request")
    elif kind == "server" and read.type in ("invalid_request_error", "validationException"):
        kind = "invalid_request"
    return Failure(kind, message)


_NUMBERS = frozenset(str(status) for status in range(400, 600))


def openai(failure: Failure) -> Json:
    """Return the inside of an error body of OpenAI's."""
    kind, code = _OPENAI.get(failure.kind, ("invalid_request_error", None))
    return {"message": failure.message, "type": kind, "param": None, "code": code}


def anthropic(failure: Failure) -> Json:
    """Return an error body of Anthropic's."""
    message = failure.message
    if failure.kind == "context_length" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    kind = _ANTHROPIC.get(failure.kind, "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def _by_word(types: str, message: str, otherwise: FailureKind) -> FailureKind:
    for kind, pattern in _BY_WORD:
        if pattern.search(types) or (kind in _IN_MESSAGES and pattern.search(message)):
            return kind
    return otherwise


def _code(document: Json) -> str:
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return str(code) if isinstance(code, str | int) else ""
