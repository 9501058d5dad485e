"""How much a call may use, before it is made: an upper estimate of its tokens, and what they would cost.

It is reserved while the call runs, so that calls at the same time cannot use the same allowance, and is settled with the
real use afterwards.
"""

from __future__ import annotations

import re
from decimal import Decimal

from llmitm.calls import (
    Answer,
    Endpoint,
    Exchange,
    Finished,
    Headers,
    Identity,
    Prompt,
    Usage,
    header,
)
from llmitm.pricing import basis, price
from llmitm.providers.fields import mapping
from llmitm.wire.encodings import decode
from llmitm_pricing import PriceTable

_BYTES_A_TOKEN = 2
"""Text has about 4, Chinese 3, code not much less than 3; so it is an upper estimate, if no proof."""
_MEDIA = re.compile(
    rb'(?:;base64,|"(?:data|bytes|file_data|file|image)"\s*:\s*")([A-Za-z0-9+/=_-]{4096,})'
)
_TOKENS_OF_MEDIA = 3_000
"""What a picture is at most, whatever its size in bytes: base64 is not read as text."""
_USUAL_ANSWER = 4_096
"""Tokens of an answer where the call sets no bound."""
_CACHED = b'"cache_control"'
_CACHED_LONGER = re.compile(rb'"ttl"\s*:\s*"1h"')
_ANSWERED = frozenset({"chat", "completion"})


def upper_usage(
    endpoint: Endpoint,
    prompt: Prompt,
    body: bytes,
    headers: Headers,
    usual_answer: int = _USUAL_ANSWER,
    counted: int | None = None,
) -> Usage:
    """Return more tokens than a call is likely to use; `counted` are those of its text, where somebody has counted."""
    plain = decode(body, header(headers, "content-encoding"))
    media = [len(found) for found in _MEDIA.findall(plain)]
    text = (len(plain) - sum(media)) // _BYTES_A_TOKEN if counted is None else counted
    given = text + len(media) * _TOKENS_OF_MEDIA
    made = prompt.max_output_tokens
    if made is None:
        made = usual_answer if endpoint.operation in _ANSWERED else 0
    made *= _choices(prompt)
    if _CACHED in plain:
        # What is written into a provider's cache costs more than what is read.
        longer = given if _CACHED_LONGER.search(plain) else None
        return Usage(
            "estimated",
            input_tokens=given,
            output_tokens=made,
            cache_write_tokens=given,
            cache_write_1h_tokens=longer,
        )
    return Usage("estimated", input_tokens=given, output_tokens=made)


def _choices(prompt: Prompt) -> int:
    """Return how many answers are asked for at once."""
    asked = mapping(prompt.document)
    settings = mapping(asked.get("generationConfig"))
    found = [asked.get("n"), asked.get("best_of"), settings.get("candidateCount")]
    return max([1, *(number for number in found if type(number) is int)])


def tokens(usage: Usage) -> int | None:
    """Return all tokens of a call; None where neither side is known."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)


def upper_usd(
    exchange: Exchange, endpoint: Endpoint, prompt: Prompt, usage: Usage, table: PriceTable
) -> Decimal | None:
    """Return what so much would cost, in USD; None where it has no price. May read price files."""
    rests = basis(endpoint, exchange, prompt, Answer(usage=usage), "ok", Identity())
    return price(rests, table).usd


def real(call: Finished, unit: str) -> float | None:
    """Return what a call has used, of tokens or cents; None where that is not known."""
    if call.exchange.cache is not None and call.exchange.cache.state == "hit":
        return 0
    if unit == "token":
        used = tokens(call.answer.usage)
        return 0 if used is None and call.outcome in ("error", "blocked") else used
    return None if call.charge.usd is None else float(call.charge.usd * 100)
