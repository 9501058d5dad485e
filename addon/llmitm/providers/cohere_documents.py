"""What Cohere makes of texts without writing any: vectors, ranks, classes and tokens.

https://docs.cohere.com/reference/embed, https://docs.cohere.com/reference/rerank (read 2026-11-26)
"""

from __future__ import annotations

import re

from llmitm.providers.base import Route
from llmitm.providers.cohere_base import CohereDialect


class CohereDocuments(CohereDialect):
    """`POST .../{embed,rerank,classify,tokenize,detokenize}` of both versions."""

    name = "cohere_documents"
    routes = (
        Route(re.compile(r"/embed/?$"), "embedding"),
        Route(re.compile(r"/rerank/?$"), "rerank"),
        Route(re.compile(r"/classify/?$"), "other"),
        Route(re.compile(r"/(?:de)?tokenize/?$"), "count_tokens"),
    )


DIALECT = CohereDocuments()
