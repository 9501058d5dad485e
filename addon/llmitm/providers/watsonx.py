"""IBM watsonx.ai: text generation, vectors and ranks, with counts in every result.

https://cloud.ibm.com/apidocs/watsonx-ai (read 2026-11-26)
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Prompt, ReportedUsage, Usage
from llmitm.providers import error_bodies
from llmitm.providers.base import Assembler, Dialect, Head, Route
from llmitm.providers.fields import count, filled, first, items, mapping, text

_COUNTS = ("input_token_count", "generated_token_count")


class Watsonx(Dialect):
    """`POST /ml/v1*/[deployments/{id}/]text/{generation,embeddings,rerank,...}`, older `/ml/v1-beta/generation/text`."""

    name = "watsonx"
    routes = (
        Route(re.compile(r"/(?:text/generation|generation/text)/?$"), "completion"),
        Route(
            re.compile(r"/(?:text/generation|generation/text)_stream/?$"),
            "completion",
            streams=True,
        ),
        Route(re.compile(r"/text/embeddings/?$"), "embedding"),
        Route(re.compile(r"/text/rerank/?$"), "rerank"),
        Route(re.compile(r"/text/tokenization/?$"), "count_tokens"),
        Route(re.compile(r"/foundation_model_specs/?$"), "models", ("GET",)),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request. One to a deployment names no model."""
        body = mapping(document)
        return Prompt(
            model=filled(body.get("model_id")),
            streaming=endpoint.streams,
            document=document,
            max_output_tokens=count(mapping(body.get("parameters")).get("max_new_tokens")),
        )

    def assembler(self, endpoint: Endpoint) -> Assembler | None:
        """Return an assembler of results."""
        return ResultsAssembler() if endpoint.operation == "completion" else None

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        body = mapping(document)
        error = error_bodies.read(document, head.status)
        answer = Answer(
            model=filled(body.get("model_id")),
            error_type=error.type,
            error_message=error.message,
            document=document,
        )
        counted = body
        if head.endpoint.operation == "completion" and isinstance(body.get("results"), list):
            counted = first(body.get("results"))
            answer.text = text(counted.get("generated_text")) or ""
            answer.finish_reason = filled(counted.get("stop_reason"))
        if head.endpoint.operation != "count_tokens":
            answer.reported = ReportedUsage(*(count(counted.get(name)) for name in _COUNTS))
            answer.usage = _usage(answer.reported)
        return answer

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return watsonx's error body."""
        return refusal(status, error_type, message)


def refusal(status: int, error_type: str, message: str) -> Json:
    """Return an error body in watsonx's shape."""
    return {"errors": [{"code": error_type, "message": message}], "status_code": status}


def _usage(own: ReportedUsage) -> Usage:
    if own.input is None and own.output is None:
        return Usage()
    return Usage("reported", input_tokens=own.input, output_tokens=own.output)


class ResultsAssembler(Assembler):
    """Collect results, each with the next piece of the text, into one.

    What was generated is counted up from event to event, what was read is told once and is 0 in the others.
    """

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._result: dict[str, Json] = {}
        self._pieces: list[str] = []

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        body, content = mapping(payload), False
        self._fields.update((name, value) for name, value in body.items() if name != "results")
        for result in map(mapping, items(body.get("results"))):
            counts = {name: _larger(self._result.get(name), result.get(name)) for name in _COUNTS}
            self._result.update({**result, **counts})
            piece = text(result.get("generated_text")) or ""
            self._pieces.append(piece)
            content |= bool(piece)
        return content

    def document(self) -> Json:
        """Return the answer in its unstreamed form."""
        if not self._pieces:
            return self._fields or None
        result = {**self._result, "generated_text": "".join(self._pieces)}
        return {**self._fields, "results": [result]}


def _larger(one: Json, other: Json) -> int | None:
    counts = (count(one), count(other))
    return max((found for found in counts if found is not None), default=None)


DIALECT = Watsonx()
