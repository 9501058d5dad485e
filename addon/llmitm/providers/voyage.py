"""Voyage AI: vectors and ranks, all of it input, of which only the total is told.

Of texts with pictures and videos the text is charged by the token, the rest by the pixel; the total has both as tokens.
https://docs.voyageai.com/reference/multimodal-embeddings-api, https://docs.voyageai.com/docs/pricing (read 2026-11-26)
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Json
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import count, mapping, total
from llmitm.providers.openai_base import OpenAIDialect


class Voyage(OpenAIDialect):
    """`POST /v1/{embeddings,multimodalembeddings,contextualizedembeddings,rerank}`."""

    name = "voyage"
    routes = (
        Route(re.compile(r"/(?:multimodal|contextualized)?embeddings/?$"), "embedding"),
        Route(re.compile(r"/rerank/?$"), "rerank"),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        usage = mapping(mapping(document).get("usage"))
        written = count(usage.get("text_tokens"))
        pixels = total(count(usage.get("image_pixels")), count(usage.get("video_pixels")))
        if written is not None and pixels is not None:
            answer.usage = replace(
                answer.usage, other={"pixel": pixels}, billed={"input": written, "pixel": pixels}
            )
        return answer

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Voyage's error body."""
        return {"detail": message}


DIALECT = Voyage()
