"""What is told of the attempts of a call that failed before its last one."""

from __future__ import annotations

from llmitm.calls import Answer, Attempt, Endpoint, Exchange, Prompt
from llmitm.providers.base import Head
from llmitm.providers.dialects import by_name


def read_attempt(exchange: Exchange, endpoint: Endpoint) -> Attempt:
    """Return the record of an attempt; `endpoint` is what its own address means."""
    answer, model = Answer(), endpoint.model
    if endpoint.dialect is not None:
        dialect = by_name(endpoint.dialect)
        prompt = Prompt(streaming=True)
        if exchange.request_body:
            prompt = dialect.read_request(exchange.request_body, exchange.request_headers, endpoint)
            model = prompt.model or model
        if exchange.status is not None:
            head = Head(exchange.status, exchange.response_headers, endpoint, prompt)
            answer = dialect.read_response(b"".join(exchange.chunks), head)
    broken = exchange.ending if exchange.ending != "complete" else None
    return Attempt(
        endpoint.provider,
        exchange.host,
        model,
        exchange.started_at,
        exchange.status,
        answer.error_type or broken,
        answer.error_message or exchange.error_message,
        exchange.latency_ms,
        exchange.waited_ms,
    )
