"""What else lies under Anthropic's paths: token counts, batches, models, files.

Read for their id and error only: a batch's usage is billed with its results, and a count of tokens is not usage.
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Json, Operation
from llmitm.providers.anthropic_base import AnthropicDialect
from llmitm.providers.base import Head, Route

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
        *(
            Route(re.compile(path + _BELOW), operation, methods, counted="POST" in methods)
            for path, operation in _PATHS
            for methods in (("POST",), _READS)
        ),
        Route(re.compile("/v1/models" + _BELOW), "models", _READS),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response; the model that it may name has not answered anything."""
        answer = super().answer(document, head)
        answer.model, answer.finish_reason = None, None
        return answer


DIALECT = AnthropicResources()
