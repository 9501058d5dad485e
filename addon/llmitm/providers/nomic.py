"""Nomic's embeddings of texts and images: their path and field names, OpenAI's usage.

https://docs.nomic.ai/reference/api/embed-text-v-1-embedding-text-post (read 2026-11-26)
"""

from __future__ import annotations

import re

from llmitm.calls import Json
from llmitm.providers.base import Route
from llmitm.providers.openai_base import OpenAIDialect


class Nomic(OpenAIDialect):
    """`POST /v1/embedding/{text,image}`."""

    name = "nomic"
    routes = (Route(re.compile(r"/embedding/(?:text|image)/?$"), "embedding"),)

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Nomic's error body."""
        return {"detail": message}


DIALECT = Nomic()
