"""Documents ranked (rerank) and read (OCR): priced by the search and by the page, by some hosts by the token."""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Json
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
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        if usage := mapping(mapping(document).get("usage_info")):
            answer.usage, answer.reported = openai_usage.read(usage)
        if answer.usage.output_tokens == 0:
            # Nothing is generated; the 0 is only there for the shape of the object.
            answer.usage = replace(answer.usage, output_tokens=None)
            answer.reported = replace(answer.reported, output=None)
        return answer


DIALECT = OpenAIDocuments()
