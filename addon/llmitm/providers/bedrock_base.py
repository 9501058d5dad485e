"""What the dialects of Amazon Bedrock share: requests, errors, and what the headers of every response tell.

The model is in the path, percent-encoded, and may be a whole ARN.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Iterable

from llmitm.calls import Answer, Endpoint, Headers, Json, Prompt, header
from llmitm.providers import error_bodies
from llmitm.providers.base import Dialect, Head
from llmitm.providers.error_bodies import ErrorBody
from llmitm.providers.fields import count, filled, mapping

_FAILED = 400
_LIMITS = (
    "max_tokens",
    "maxTokens",
    "max_new_tokens",
    "maxTokenCount",
    "max_gen_len",
    "max_tokens_to_sample",
    "max_completion_tokens",
)
_OPTIONS = ("inferenceConfig", "textGenerationConfig")
"""Objects that hold the limit at Converse, Nova and Titan."""


class BedrockDialect(Dialect):
    """One kind of Bedrock's operations."""

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        body = mapping(document)
        return Prompt(
            model=endpoint.model,
            streaming=endpoint.streams,
            document=document,
            user=filled(mapping(body.get("metadata")).get("user_id")),
            max_output_tokens=_limit([body, *(mapping(body.get(name)) for name in _OPTIONS)]),
            service_tier=_tier(body.get("serviceTier")) or _tier(body.get("service_tier")),
        )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read what every response has; dialects add what is theirs."""
        error = _error(document, head)
        return Answer(
            response_id=header(head.headers, "x-amzn-requestid"),
            error_type=error.type,
            error_message=error.message,
            service_tier=header(head.headers, "x-amzn-bedrock-service-tier"),
            speed=header(head.headers, "x-amzn-bedrock-performanceconfig-latency"),
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return AWS's error body, with the type that is otherwise in a header."""
        return {"__type": error_type, "message": message}


def _limit(places: Iterable[dict[str, Json]]) -> int | None:
    found = (count(place.get(name)) for place in places for name in _LIMITS)
    return next((limit for limit in found if limit is not None), None)


def _tier(value: Json) -> str | None:
    """Return a tier: an object at Converse, a word in OpenAI's bodies."""
    return filled(mapping(value).get("type")) or filled(value)


def _error(document: Json, head: Head) -> ErrorBody:
    error = error_bodies.read(document, head.status)
    if head.status < _FAILED:
        return error
    return ErrorBody(_error_type(head.headers, mapping(document)) or error.type, error.message)


def _error_type(headers: Headers, body: dict[str, Json]) -> str | None:
    """Return the exception: `ValidationException:http://...` in the header, `namespace#Name` in a body.

    https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization (read 2026-11-26)
    """
    written = header(headers, "x-amzn-errortype") or filled(body.get("__type"))
    return written.partition(":")[0].rpartition("#")[2] if written else None
