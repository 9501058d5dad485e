"""Aleph Alpha's completions and embeddings. What answers is named by a version (`2022-04`), which is no model.

https://docs.aleph-alpha.com/api/complete (read 2026-11-26)
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Prompt, ReportedUsage, Usage
from llmitm.providers import error_bodies
from llmitm.providers.base import Assembler, Dialect, Head, Route
from llmitm.providers.fields import count, filled, first, flag, mapping, text


class AlephAlpha(Dialect):
    """`POST /{complete,embed,semantic_embed,batch_semantic_embed,evaluate,explain,tokenize,detokenize}`."""

    name = "aleph_alpha"
    routes = (
        Route(re.compile(r"/complete/?$"), "completion"),
        Route(re.compile(r"/(?:(?:batch_)?(?:semantic_|instructable_)?)embed/?$"), "embedding"),
        Route(re.compile(r"/(?:evaluate|explain)/?$"), "other"),
        Route(re.compile(r"/(?:de)?tokenize/?$"), "count_tokens"),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        body = mapping(document)
        return Prompt(
            model=filled(body.get("model")),
            streaming=flag(body.get("stream")),
            document=document,
            max_output_tokens=count(body.get("maximum_tokens")),
        )

    def assembler(self, endpoint: Endpoint) -> Assembler | None:
        """Return an assembler of events."""
        return EventsAssembler() if endpoint.operation == "completion" else None

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        body = mapping(document)
        error = error_bodies.read(document, head.status)
        own = ReportedUsage(
            input=count(body.get("num_tokens_prompt_total")),
            output=count(body.get("num_tokens_generated")),
        )
        answer = Answer(
            reported=own,
            error_type=error.type,
            error_message=error.message,
            document=document,
        )
        if own.input is not None or own.output is not None:
            answer.usage = Usage("reported", input_tokens=own.input, output_tokens=own.output)
        if isinstance(body.get("completions"), list):
            completion = first(body.get("completions"))
            answer.text = text(completion.get("completion")) or ""
            answer.finish_reason = filled(completion.get("finish_reason"))
        return answer

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Aleph Alpha's error body."""
        return {"error": message, "code": error_type}


class EventsAssembler(Assembler):
    """Collect the pieces of each completion, its summary, and the summary of all."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._texts: dict[int, list[str]] = {}
        self._summaries: dict[int, dict[str, Json]] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        body = mapping(payload)
        index = count(body.get("index")) or 0
        rest = {name: value for name, value in body.items() if name not in ("type", "index")}
        match body.get("type"):
            case "stream_chunk":
                piece = text(body.get("completion")) or ""
                self._texts.setdefault(index, []).append(piece)
                return bool(piece)
            case "stream_summary":
                self._fields["model_version"] = rest.pop("model_version", None)
                self._summaries.setdefault(index, {}).update(rest)
            case _:
                self._fields.update(rest)
        return False

    def document(self) -> Json:
        """Return the response in its unstreamed form."""
        numbers = sorted({*self._texts, *self._summaries})
        if not numbers:
            return self._fields or None
        completions = [
            {"completion": "".join(self._texts.get(n, ())), **self._summaries.get(n, {})}
            for n in numbers
        ]
        return {"completions": completions, **self._fields}


DIALECT = AlephAlpha()
