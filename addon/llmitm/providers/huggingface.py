"""Hugging Face's own API of tasks, as its router and its Text Generation Inference servers speak it.

The path names the model and mostly not the task. What is read of an answer is generated text; the rest (vectors,
labels, spans) is kept as it is. Chat is spoken as OpenAI does, by older servers at the path of the model too.
https://huggingface.co/docs/inference-providers/tasks/text-generation,
https://huggingface.github.io/text-generation-inference (read 2026-11-26)
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json, Prompt, ReportedUsage, Usage, header
from llmitm.providers import error_bodies
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import count, filled, first, mapping, text
from llmitm.providers.openai_chat import OpenAIChat
from llmitm.providers.openai_choices import ChoicesAssembler

_VECTORS = r"(?:feature-extraction|sentence-similarity)"
_DIGITS = re.compile(r"[0-9]{1,12}")


class HuggingFace(OpenAIChat):
    """`POST [/hf-inference]/models/{model}[/pipeline/{task}]`, `/generate`, `/generate_stream`, `/embed`."""

    name = "huggingface"
    routes = (
        Route(
            re.compile(rf"^(?:/hf-inference)?/models/(?P<model>.+)/pipeline/{_VECTORS}/?$"),
            "embedding",
        ),
        Route(
            re.compile(r"^(?:/hf-inference)?/models/(?P<model>.+)/pipeline/[^/]+/?$"),
            "other",
        ),
        Route(re.compile(r"^(?:/hf-inference)?/models/(?P<model>.+?)/?$"), "other"),
        # The order before 2023.
        Route(re.compile(rf"^/pipeline/{_VECTORS}/(?P<model>.+?)/?$"), "embedding"),
        Route(re.compile(r"^/pipeline/[^/]+/(?P<model>.+?)/?$"), "other"),
        # A server of one's own has one model.
        Route(re.compile(r"^/generate/?$"), "completion"),
        Route(re.compile(r"^/generate_stream/?$"), "completion", streams=True),
        Route(re.compile(r"^/embed/?$"), "embedding"),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        prompt = super().prompt(document, endpoint)
        limit = count(mapping(mapping(document).get("parameters")).get("max_new_tokens"))
        return replace(
            prompt,
            streaming=prompt.streaming or endpoint.streams,
            max_output_tokens=prompt.max_output_tokens if limit is None else limit,
        )

    def assembler(self, endpoint: Endpoint) -> ChoicesAssembler:
        """Return an assembler of tokens, or of the chunks of a chat."""
        return TokensAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        generated = first(document) if isinstance(document, list) else mapping(document)
        if "generated_text" not in generated:
            return super().answer(document, head)
        error = error_bodies.read(document, head.status)
        details = mapping(generated.get("details"))
        usage, reported = _usage(details, head)
        return Answer(
            text=text(generated.get("generated_text")) or "",
            finish_reason=filled(details.get("finish_reason")),
            usage=usage,
            reported=reported,
            error_type=error.type,
            error_message=error.message,
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Hugging Face's error body."""
        return {"error": message, "error_type": error_type}


def _usage(details: dict[str, Json], head: Head) -> tuple[Usage, ReportedUsage]:
    """Return the counts: beside the text where it was asked for, else those of the server's headers."""
    read = count(details.get("input_length"))
    made = count(details.get("generated_tokens"))
    read = _told(head, "x-prompt-tokens") if read is None else read
    made = _told(head, "x-generated-tokens") if made is None else made
    reported = ReportedUsage(read, made)
    if read is None and made is None:
        return Usage(), reported
    return Usage("reported", input_tokens=read, output_tokens=made), reported


def _told(head: Head, name: str) -> int | None:
    value = header(head.headers, name) or ""
    return int(value) if _DIGITS.fullmatch(value) else None


class TokensAssembler(ChoicesAssembler):
    """Collect tokens into the text of which they are parts; the last one's event has it whole."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        self._whole: str | None = None
        self._details: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one token, or one chunk of a chat; return whether it carried content."""
        token = mapping(payload).get("token")
        if not isinstance(token, dict):
            return super().add(payload, event)
        self._details = payload.get("details") or self._details
        whole = text(payload.get("generated_text"))
        self._whole = self._whole if whole is None else whole
        # Marks such as the end of the text are not part of it.
        piece = "" if token.get("special") is True else text(token.get("text")) or ""
        self._pieces.append(piece)
        return bool(piece)

    def document(self) -> Json:
        """Return the answer in its unstreamed form."""
        document = super().document()
        if not self._pieces:
            return document
        written = "".join(self._pieces) if self._whole is None else self._whole
        generated = {"generated_text": written, "details": self._details}
        error = mapping(document).get("error")
        return {**mapping(document), **generated} if error else generated


DIALECT = HuggingFace()
