"""What Jina AI has beside OpenAI's paths: classes, vectors for every token, texts cut into pieces.

All is charged by the tokens read. Embeddings, ranks and DeepSearch are spoken as OpenAI and its copies do.
https://api.jina.ai/redoc (read 2026-11-26)
"""

from __future__ import annotations

import re

from llmitm.providers.base import Route
from llmitm.providers.openai_base import OpenAIDialect


class Jina(OpenAIDialect):
    """`POST /v1/{classify,train,multi-vector,segment}`."""

    name = "jina"
    routes = (
        Route(re.compile(r"/(?:classify|train)/?$"), "other"),
        Route(re.compile(r"/multi-vector/?$"), "embedding"),
        Route(re.compile(r"/segment/?$"), "count_tokens"),
    )


DIALECT = Jina()
