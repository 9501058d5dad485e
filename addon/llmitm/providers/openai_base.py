"""What the dialects of the OpenAI family share: requests, errors, and the fields that every answer has."""

from __future__ import annotations

from llmitm.calls import Answer, Endpoint, Json, Prompt
from llmitm.providers import content_filters, error_bodies, openai_usage, provider_cost
from llmitm.providers.base import Dialect, Head
from llmitm.providers.fields import count, filled, flag, mapping


class OpenAIDialect(Dialect):
    """One operation of OpenAI's API."""

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request, JSON or form."""
        body = mapping(document)
        return Prompt(
            # Azure's older paths name the deployment, and the body then need not name a model.
            model=filled(body.get("model")) or endpoint.model,
            streaming=flag(body.get("stream")),
            document=document,
            user=_user(body),
            previous_response_id=filled(body.get("previous_response_id")),
            max_output_tokens=_limit(body),
            service_tier=filled(body.get("service_tier")),
        )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read what every response has; dialects add what is theirs."""
        body = mapping(document)
        usage = body.get("usage")
        whole, reported = openai_usage.read(usage)
        error = error_bodies.read(document, head.status)
        return Answer(
            model=filled(body.get("model")),
            response_id=filled(body.get("id")),
            blocked=content_filters.read(body),
            usage=whole,
            reported=reported,
            error_type=error.type,
            error_message=error.message,
            service_tier=filled(body.get("service_tier")),
            provider_cost_usd=provider_cost.read(document, usage, head.endpoint.provider),
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return OpenAI's error body."""
        return error_bodies.openai(error_type, message)


def _user(body: dict[str, Json]) -> str | None:
    metadata = mapping(body.get("metadata"))
    names = (body.get("user"), body.get("safety_identifier"), metadata.get("user_id"))
    return next((name for name in map(filled, names) if name), None)


def _limit(body: dict[str, Json]) -> int | None:
    names = ("max_completion_tokens", "max_output_tokens", "max_tokens")
    return next((n for name in names if (n := count(body.get(name))) is not None), None)
