"""Anthropic's Messages format, as Anthropic, Foundry, DeepSeek, Z.ai and others speak it.

https://platform.claude.com/docs/en/api/messages (read 2026-11-24)
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers import anthropic_message
from llmitm.providers.anthropic_base import AnthropicDialect
from llmitm.providers.anthropic_stream import MessageAssembler
from llmitm.providers.base import Assembler, Head, Route

_VERTEX = r"/publishers/anthropic/models/(?P<model>(?!count-tokens:)[^/:]+)"


class AnthropicMessages(AnthropicDialect):
    """`POST .../v1/messages`, and on Vertex AI `:rawPredict` and `:streamRawPredict` of Anthropic's models."""

    name = "anthropic_messages"
    routes = (
        Route(re.compile(r"/messages/?$"), "chat"),
        Route(re.compile(rf"{_VERTEX}:rawPredict$"), "chat"),
        Route(re.compile(rf"{_VERTEX}:streamRawPredict$"), "chat", streams=True),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return MessageAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a message."""
        answer = super().answer(document, head)
        anthropic_message.read(answer, document, head)
        return answer


DIALECT = AnthropicMessages()
