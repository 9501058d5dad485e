"""Gemini's embeddings, and what Vertex AI answers under `:predict`.

Only newer models report usage. Vertex AI counts tokens input by input.
https://ai.google.dev/api/embeddings, https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
(read 2026-11-24)
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Json, ReportedUsage, Usage
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import count, items, mapping, total
from llmitm.providers.gemini_base import MODEL, GeminiDialect


class GeminiEmbeddings(GeminiDialect):
    """`:embedContent`, `:batchEmbedContents`, and `:predict` of embedding models."""

    name = "gemini_embeddings"
    routes = (
        Route(re.compile(rf"{MODEL}:(?:embedContent|batchEmbedContents)$"), "embedding"),
        Route(re.compile(rf"(?=.*(?:embedding|gecko)){MODEL}:predict$"), "embedding"),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        read_predictions(answer, document)
        return answer


def read_predictions(answer: Answer, document: Json) -> None:
    """Put in the tokens that Vertex AI counts for each input it has embedded."""
    embedded = [
        mapping(mapping(prediction).get("embeddings"))
        for prediction in items(mapping(document).get("predictions"))
    ]
    counted = total(*(_tokens(embeddings) for embeddings in embedded))
    if counted is not None:
        answer.usage = Usage(source="reported", input_tokens=counted)
        answer.reported = ReportedUsage(input=counted)


def _tokens(embeddings: dict[str, Json]) -> int | None:
    return count(mapping(embeddings.get("statistics")).get("token_count"))


DIALECT = GeminiEmbeddings()
