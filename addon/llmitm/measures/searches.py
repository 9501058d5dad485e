"""Searches: how many a rerank is charged as."""

from __future__ import annotations

from math import ceil

from llmitm.calls import Json
from llmitm.measures.options import Options, number
from llmitm.providers.fields import items, text

_DOCUMENTS_A_SEARCH = 100
_TOKENS_A_DOCUMENT = 500
_MOST_TOKENS_A_DOCUMENT = 4096
"""What Cohere reads of a document where `max_tokens_per_doc` does not say otherwise."""
_BYTES_A_TOKEN = 4


def count(options: Options) -> int:
    """Count searches as Cohere does, and those who sell its models.

    One is a query with up to 100 documents. A document that is longer than 500 tokens with the query is cut into
    several, each of which counts. Tokens are reckoned by their bytes: only a provider that does not report its
    searches comes here. https://cohere.com/pricing
    """
    documents = items(options.get("documents") or options.get("sources"))
    room = max(1, _TOKENS_A_DOCUMENT - _tokens(options.get("query")))
    most = number(options.get("max_tokens_per_doc")) or _MOST_TOKENS_A_DOCUMENT
    cut = sum(max(1, ceil(min(_tokens(document), most) / room)) for document in documents)
    return max(1, ceil(cut / _DOCUMENTS_A_SEARCH))


def _tokens(value: Json) -> int:
    if isinstance(value, dict):
        return sum(map(_tokens, value.values()))
    written = text(value) or ""
    return ceil(len(written.encode("utf-8", "surrogatepass")) / _BYTES_A_TOKEN)
