"""Refuse a call that is not to be tried again, as where there is no money left, in the provider's own form."""

from __future__ import annotations

import json
import time

from mitmproxy import http

from llmitm.calls import Refusal, header
from llmitm.mitm.flights import Flight
from llmitm.policy.quota_errors import quota_error
from llmitm.providers import error_bodies
from llmitm.providers.dialects import by_name

ERROR_TYPE = "budget_exceeded"


def refuse(
    flow: http.HTTPFlow,
    flight: Flight,
    message: str,
    program: str | None = None,
    error_type: str = ERROR_TYPE,
) -> None:
    """Answer a call that does not go out; `program` is who made it, where that is known.

    The log has the `error_type`, the client what makes it stop.
    """
    exchange, dialect = flight.exchange, flight.endpoint.dialect
    agent = header(exchange.request_headers, "user-agent")
    error = quota_error(dialect, agent, program)
    body = (
        by_name(dialect).error(error.status, error.type, message)
        if dialect
        else error_bodies.openai(error.type, message)
    )
    # OpenAI's and Anthropic's SDKs listen to this.
    headers = {"content-type": "application/json", "x-should-retry": "false"}
    flow.request.stream = False  # mitmproxy cannot answer what it passes on as it comes
    flow.response = http.Response.make(error.status, json.dumps(body), headers)
    exchange.chunks = [flow.response.content or b""]
    exchange.chunk_times = [(time.time() - exchange.started_at) * 1000]
    exchange.usage_injected = False
    exchange.refusal = Refusal(error_type, message)
