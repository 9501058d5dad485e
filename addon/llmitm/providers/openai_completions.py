"""Text completions: a prompt in, its continuation out. Older than chat; still spoken by local servers and for code."""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import filled, first, mapping, text
from llmitm.providers.openai_base import OpenAIDialect
from llmitm.providers.openai_choices import ChoicesAssembler


class OpenAICompletions(OpenAIDialect):
    """`POST .../completions`, the older form with an engine in the path, and Mistral's fill in the middle."""

    name = "openai_completions"
    routes = (
        Route(
            re.compile(r"/(?:deployments|engines)/(?P<model>[^/]+)/completions/?$"), "completion"
        ),
        Route(re.compile(r"(?<!/agents)/completions/?$"), "completion"),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of chunks."""
        return ChoicesAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        choices = mapping(document).get("choices")
        if isinstance(choices, list):
            choice = first(choices)
            # Mistral answers in the form of chat.
            message = mapping(choice.get("message"))
            answer.text = text(choice.get("text")) or text(message.get("content")) or ""
            answer.finish_reason = filled(choice.get("finish_reason"))
        return answer


DIALECT = OpenAICompletions()
