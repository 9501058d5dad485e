"""What else lies under OpenAI's paths: files, batches, models, jobs, assistants, reranking, realtime set-up.

These answers are read for their id, model, error and, where there is one, usage. A `GET` returns what an earlier
call has made, so it is never counted.
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Json, Operation
from llmitm.providers import openai_usage, provider_cost
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import mapping
from llmitm.providers.openai_base import OpenAIDialect

_ANY = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD")
_BELOW = r"(?:/.*)?$"
_PATHS: tuple[tuple[str, Operation], ...] = (
    (
        r"/(?:assistants|threads|vector_stores|fine_tuning|fine-tunes|evals|conversations|organization|containers)",
        "other",
    ),
    (r"/batches", "batch"),
    (r"/(?:files|uploads)", "file"),
    (r"/videos", "video"),
    (r"/(?:realtime|voice-live)", "realtime"),
    (r"/re-?rank", "rerank"),
    (r"/ocr", "other"),
)


class OpenAIResources(OpenAIDialect):
    """Everything that is not generation by itself."""

    name = "openai_resources"
    routes = (
        *(
            Route(re.compile(path + _BELOW), operation, methods, counted="POST" in methods)
            for path, operation in _PATHS
            for methods in (("POST",), tuple(method for method in _ANY if method != "POST"))
        ),
        # Not POST: Hugging Face runs a model at /models/{id}.
        Route(re.compile(r"/models" + _BELOW), "models", ("GET", "HEAD", "DELETE")),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        if usage := mapping(mapping(document).get("usage_info")):  # Mistral's OCR
            answer.usage = openai_usage.read(usage)
            answer.provider_cost_usd = provider_cost.read(usage, head.endpoint.provider)
        return answer


DIALECT = OpenAIResources()
