"""Refuse a call that is not to be tried again, as where there is no money left, in the provider's own form."""

from __future__ import annotations

from mitmproxy import http

from llmitm.calls import header
from llmitm.mitm import refusals
from llmitm.mitm.flights import Flight
from llmitm.policy.quota_errors import quota_error

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
    agent = header(flight.exchange.request_headers, "user-agent")
    error = quota_error(flight.endpoint.dialect, agent, program)
    refusals.refuse(flow, flight, error.status, error.type, message, logged_as=error_type)
