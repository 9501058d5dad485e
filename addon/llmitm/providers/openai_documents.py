"""Documents ranked (rerank) and read (OCR): priced by the search and by the page, by some hosts by the token."""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Json, Usage
from llmitm.providers import openai_usage
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import mapping
from llmitm.providers.openai_base import OpenAIDialect


class OpenAIDocuments(OpenAIDialect):
    """`POST .../rerank` as Cohere's copies have it, and Mistral's `/v1/ocr`."""

    name = "openai_documents"
    routes = (
        Route(re.compile(r"/(?:re-?rank|score)/?$"), "rerank"),
        Route(re.compile(r"/ocr/?$"), "other"),
        # Vertex AI's.
        Route(re.compile(r"/mistralai/models/(?P<model>mistral-ocr[^/:]*):rawPredict$"), "other"),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        if usage := mapping(mapping(document).get("usage_info")):
            answer.usage, answer.reported = openai_usage.read(usage)
            answer.usage = _annotated(answer.usage, mapping(head.prompt.document))
        if answer.usage.output_tokens == 0:
            # Nothing is generated; the 0 is only there for the shape of the object.
            answer.usage = replace(answer.usage, output_tokens=None)
            answer.reported = replace(answer.reported, output=None)
        return answer


def _annotated(usage: Usage, asked: dict[str, Json]) -> Usage:
    """Count pages that were annotated as such: they have a price of their own instead of a page's.

    Mistral's older models do not say so in the usage, but annotate all pages when asked to.
    """
    pages = usage.other.get("page")
    wanted = asked.get("bbox_annotation_format") or asked.get("document_annotation_format")
    if not wanted or not pages or "annotated_page" in usage.other:
        return usage
    others = {unit: count for unit, count in usage.other.items() if unit != "page"}
    return replace(usage, other={**others, "annotated_page": pages})


DIALECT = OpenAIDocuments()
