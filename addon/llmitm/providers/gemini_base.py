"""What Gemini's dialects share: where the model is, requests, errors, and the fields that every answer has."""

from __future__ import annotations

from llmitm.calls import Answer, Endpoint, Json, Prompt, header
from llmitm.providers import error_bodies, gemini_usage
from llmitm.providers.base import Dialect, Head
from llmitm.providers.fields import count, filled, mapping

MODEL = r"/(?:models|tunedModels|endpoints)/(?P<model>[^/:]+)"


class GeminiDialect(Dialect):
    """One operation of Gemini's API; the path names the model, and whether the answer is a stream."""

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request; Google takes camel case and snake case."""
        body = mapping(document)
        config = mapping(body.get("generationConfig") or body.get("generation_config"))
        limit = config.get("maxOutputTokens", config.get("max_output_tokens"))
        return Prompt(
            model=endpoint.model,
            streaming=endpoint.streams,
            document=document,
            max_output_tokens=count(limit),
            service_tier=filled(body.get("serviceTier") or body.get("service_tier")),
        )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read what every response has; dialects add what is theirs."""
        body = mapping(document)
        usage = mapping(body.get("usageMetadata"))
        error = error_bodies.read(document, head.status)
        return Answer(
            model=filled(body.get("modelVersion")),
            response_id=filled(body.get("responseId")),
            usage=gemini_usage.read(usage),
            reported=gemini_usage.reported(usage),
            error_type=error.type,
            error_message=error.message,
            service_tier=header(head.headers, "x-gemini-service-tier")
            or filled(usage.get("serviceTier"))
            or _vertex_tier(usage),
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Google's error body."""
        return {"error": {"code": status, "message": message, "status": error_type}}


def _vertex_tier(usage: dict[str, Json]) -> str | None:
    # ON_DEMAND, ON_DEMAND_FLEX, ON_DEMAND_PRIORITY, PROVISIONED_THROUGHPUT:
    # https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse (read 2026-11-24)
    traffic = filled(usage.get("trafficType"))
    return traffic.removeprefix("ON_DEMAND_") if traffic else None
