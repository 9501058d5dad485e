"""Embeddings: text in, vectors out; all usage is input."""

from __future__ import annotations

import re

from llmitm.providers.base import Route
from llmitm.providers.openai_base import OpenAIDialect


class OpenAIEmbeddings(OpenAIDialect):
    """`POST .../embeddings`, also Perplexity's variant of the path."""

    name = "openai_embeddings"
    routes = (
        Route(re.compile(r"/(?:deployments|engines)/(?P<model>[^/]+)/embeddings/?$"), "embedding"),
        Route(re.compile(r"/(?:contextualized)?embeddings/?$"), "embedding"),
    )


DIALECT = OpenAIEmbeddings()
