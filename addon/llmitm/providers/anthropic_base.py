"""What Anthropic's dialects share: requests, errors, and the fields that every answer has."""

from __future__ import annotations

from llmitm.calls import Answer, Endpoint, Json, Prompt
from llmitm.providers import error_bodies
from llmitm.providers.base import Dialect, Head
from llmitm.providers.fields import count, filled, flag, mapping, text


class AnthropicDialect(Dialect):
    """One operation of Anthropic's API."""

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        body = mapping(document)
        limit = count(body.get("max_tokens"))
        return Prompt(
            model=filled(body.get("model")) or endpoint.model,
            streaming=flag(body.get("stream")) or endpoint.streams,
            document=document,
            user=filled(mapping(body.get("metadata")).get("user_id")),
            max_output_tokens=count(body.get("max_tokens_to_sample")) if limit is None else limit,
            service_tier=filled(body.get("service_tier")),
        )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read what every response has; dialects add what is theirs."""
        body = mapping(document)
        error = error_bodies.read(document, head.status)
        return Answer(
            model=filled(body.get("model")),
            response_id=filled(body.get("id")),
            finish_reason=text(body.get("stop_reason")),
            error_type=error.type,
            error_message=error.message,
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Anthropic's error body."""
        return {"type": "error", "error": {"type": error_type, "message": message}}
