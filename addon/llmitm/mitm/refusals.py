"""What llmitm answers itself when a call cannot go anywhere, in the error shape of the client's dialect."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from mitmproxy import http

from llmitm.calls import Json, Refusal
from llmitm.mitm.flights import Flight
from llmitm.providers import error_bodies
from llmitm.providers.dialects import by_name

type Reason = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "model_not_found",
    "request_too_large",
]
_STATUS: dict[Reason, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "request_too_large": 413,
}
_AS_ANTHROPIC_SAYS: dict[Reason, str] = {"model_not_found": "not_found_error"}
"""https://docs.claude.com/en/api/errors (read 2026-11-26)"""


class Refused(Exception):
    """A call that cannot be sent on."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    def response(self, dialect: str | None) -> http.Response:
        """Return the answer for a client that speaks a dialect; OpenAI's where it is not known."""
        dialect = dialect or "openai_chat"
        kind: str = self.reason
        if dialect.startswith("anthropic"):
            kind = _AS_ANTHROPIC_SAYS.get(self.reason, kind)
        status = _STATUS[self.reason]
        return answer(status, by_name(dialect).error(status, kind, f"llmitm: {self}"))


def answer(status: int, body: Json) -> http.Response:
    """Return a response of JSON."""
    return http.Response.make(status, json.dumps(body), {"content-type": "application/json"})


def refuse(
    flow: http.HTTPFlow,
    flight: Flight,
    status: int,
    error_type: str,
    message: str,
    *,
    headers: Mapping[str, str] = MappingProxyType({"x-should-retry": "false"}),
    logged_as: str | None = None,
) -> None:
    """Answer a call that does not go out, in its provider's own form; its row has the outcome `blocked`.

    Unless other headers are given, the SDKs of OpenAI and Anthropic are told that trying again changes nothing.
    """
    exchange, dialect = flight.exchange, flight.endpoint.dialect
    body = (
        by_name(dialect).error(status, error_type, message)
        if dialect
        else error_bodies.openai(error_type, message)
    )
    flow.request.stream = False  # mitmproxy cannot answer what it passes on as it comes
    flow.response = answer(status, body)
    flow.response.headers.update(headers)
    exchange.chunks = [flow.response.content or b""]
    exchange.chunk_times = [(time.time() - exchange.started_at) * 1000]
    exchange.usage_injected = False
    exchange.refusal = Refusal(logged_as or error_type, message)
