"""What else lies under Anthropic's paths: token counts, batches, models, files.

Read for their id and error only, for a count of tokens is not usage; but for the results of a batch, which are what
it is charged for.
https://platform.claude.com/docs/en/api/messages/batches/results
"""

from __future__ import annotations

import re
from functools import partial

from llmitm.calls import Answer, Endpoint, Json, Operation, Prompt
from llmitm.providers import anthropic_messages
from llmitm.providers.anthropic_base import AnthropicDialect
from llmitm.providers.base import Head, Results, Route
from llmitm.providers.batch_results import BatchResults
from llmitm.providers.fields import filled, mapping

_READS = ("GET", "DELETE", "HEAD")
_BELOW = r"(?:/.*)?$"
_PATHS: tuple[tuple[str, Operation], ...] = (
    ("/messages/batches", "batch"),
    ("/v1/files", "file"),
    ("/v1/(?:skills|organizations|agents|sessions|environments)", "other"),
)


class AnthropicResources(AnthropicDialect):
    """Everything that is not generation by itself."""

    name = "anthropic_resources"
    routes = (
        Route(re.compile(r"/messages/count_tokens/?$"), "count_tokens"),
        Route(re.compile(r"/models/count-tokens:rawPredict$"), "count_tokens"),  # Vertex AI
        Route(
            re.compile(r"/messages/batches/(?P<resource>[^/]+)/results/?$"),
            "batch",
            ("GET",),
            counted=False,
        ),
        *(
            Route(re.compile(path + _BELOW), operation, methods, counted="POST" in methods)
            for path, operation in _PATHS
            for methods in (("POST",), _READS)
        ),
        Route(re.compile("/v1/models" + _BELOW), "models", _READS),
    )

    def results(self, endpoint: Endpoint) -> Results | None:
        """Return a reader of a batch's results."""
        if endpoint.operation != "batch" or endpoint.resource is None:
            return None
        return BatchResults(partial(_read_result, provider=endpoint.provider))

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response; the model that it may name has not answered anything."""
        answer = super().answer(document, head)
        answer.model, answer.finish_reason = None, None
        return answer


def _read_result(line: dict[str, Json], provider: str) -> Answer | None:
    """Return one result's answer; those that are errored, canceled or expired are not charged."""
    result = mapping(line.get("result"))
    kind = filled(result.get("type"))
    if kind is None or "custom_id" not in line:
        return None
    if kind != "succeeded":
        return Answer(error_type=kind)
    dialect = anthropic_messages.DIALECT
    endpoint = Endpoint(provider, "chat", dialect.name)
    return dialect.answer(result.get("message"), Head(200, (), endpoint, Prompt()))


DIALECT = AnthropicResources()
