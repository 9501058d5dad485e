"""Anthropic's text completions of before Messages. They report no usage.

https://platform.claude.com/docs/en/api/completions (read 2026-11-24)
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.anthropic_base import AnthropicDialect
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import mapping, text


class AnthropicComplete(AnthropicDialect):
    """`POST /v1/complete`."""

    name = "anthropic_complete"
    routes = (Route(re.compile(r"/v1/complete/?$"), "completion"),)

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return CompletionAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a completion."""
        answer = super().answer(document, head)
        answer.text = text(mapping(document).get("completion"))
        return answer


class CompletionAssembler(Assembler):
    """Put a completion together: each event repeats all fields, with the next piece of the text."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._pieces: list[str] = []

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event."""
        body = mapping(payload)
        if body.get("type") == "ping":
            return False
        self._document.update(body)
        piece = text(body.get("completion"))
        if piece is not None:
            self._pieces.append(piece)
        return bool(piece)

    def document(self) -> Json:
        """Return the completion."""
        if not self._document:
            return None
        whole = {"completion": "".join(self._pieces)} if self._pieces else {}
        return self._document | whole


DIALECT = AnthropicComplete()
