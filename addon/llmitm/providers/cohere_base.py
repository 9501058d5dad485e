"""What the dialects of Cohere share: requests, errors, and two sorts of counts.

Cohere counts what its models read and wrote (`tokens`), its own preamble and special tokens included, and what of
that it charges (`billed_units`), which is less. Embeddings, generations and ranks tell only what is billed.
https://docs.cohere.com/v2/docs/how-does-cohere-pricing-work, https://docs.cohere.com/reference/chat (read 2026-11-26)
"""

from __future__ import annotations

from llmitm.calls import Answer, Endpoint, Json, Prompt, ReportedUsage, Usage
from llmitm.providers import error_bodies
from llmitm.providers.base import Dialect, Head
from llmitm.providers.fields import count, filled, flag, mapping, number, total

_ITEMS = {
    "search_units": "search_unit",
    "images": "input_image",
    "classifications": "classification",
}
"""Billed units that are not tokens, by the unit that is priced."""


class CohereDialect(Dialect):
    """One operation of Cohere's API."""

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request. The older API has a model of its own choice where none is named."""
        body = mapping(document)
        return Prompt(
            model=filled(body.get("model")),
            streaming=flag(body.get("stream")),
            document=document,
            max_output_tokens=count(body.get("max_tokens")),
        )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read what every response has; no response names the model."""
        body = mapping(document)
        error = error_bodies.read(document, head.status)
        usage, reported = read_usage(body)
        return Answer(
            response_id=filled(body.get("response_id")) or filled(body.get("id")),
            usage=usage,
            reported=reported,
            finish_reason=filled(body.get("finish_reason")),
            error_type=error.type,
            error_message=error.message,
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Cohere's error body."""
        return {"message": message, "error_type": error_type}


def read_usage(body: dict[str, Json]) -> tuple[Usage, ReportedUsage]:
    """Return the counts of a response: under `usage`, in the older API under `meta` or, yet older, `token_count`."""
    told = mapping(body.get("usage")) or mapping(body.get("meta"))
    tokens, older = mapping(told.get("tokens")), mapping(body.get("token_count"))
    own = ReportedUsage(
        input=_either(tokens.get("input_tokens"), older.get("prompt_tokens")),
        output=_either(tokens.get("output_tokens"), older.get("response_tokens")),
        cached_input=count(told.get("cached_tokens")),
        reasoning=count(tokens.get("reasoning_tokens")),
    )
    units = mapping(told.get("billed_units"))
    items = {
        unit: found
        for name, unit in _ITEMS.items()
        if (found := number(units.get(name))) is not None
    }
    charged = _billed_tokens(units)
    billed = {**charged, **items}
    if own.input is None and own.output is None:
        if not billed:
            return Usage(), own
        usage = Usage(
            "reported",
            input_tokens=charged.get("input"),
            output_tokens=charged.get("output"),
            input_image_tokens=charged.get("image_input"),
            other=items,
            billed=billed,
        )
        return usage, own
    # A picture's tokens are not among `input_tokens`: 34 beside 259 of a picture have been seen.
    pictures = count(tokens.get("image_tokens"))
    usage = Usage(
        "reported",
        input_tokens=total(own.input, pictures),
        output_tokens=own.output,
        cached_input_tokens=own.cached_input,
        reasoning_tokens=own.reasoning,
        input_image_tokens=pictures,
        other=items,
        billed=billed,
    )
    return usage, own


def _billed_tokens(units: dict[str, Json]) -> dict[str, int]:
    """Return billed tokens. Embeddings bill pictures beside the text, chat has them in `input_tokens`."""
    pictures = count(units.get("image_tokens"))
    found = {
        "input": total(count(units.get("input_tokens")), pictures),
        "image_input": pictures,
        "output": count(units.get("output_tokens")),
    }
    return {unit: tokens for unit, tokens in found.items() if tokens is not None}


def _either(newer: Json, older: Json) -> int | None:
    found = count(newer)
    return count(older) if found is None else found
