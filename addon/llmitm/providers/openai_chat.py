"""Chat completions: OpenAI's most copied format, with what its copies add.

Usage may sit under `x_groq`. The first choice is the one that is read.
"""

from __future__ import annotations

import re
from typing import ClassVar

from llmitm.calls import Answer, Endpoint, Json, ModelUsage
from llmitm.providers import openai_choice, openai_usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.fields import filled, first, items, mapping
from llmitm.providers.openai_base import OpenAIDialect
from llmitm.providers.openai_choices import ChoicesAssembler

_PARTNER = r"/publishers/(?!anthropic|google)[^/]+/models/(?P<model>(?!mistral-ocr)[^/:]+)"


class OpenAIChat(OpenAIDialect):
    """`POST .../chat/completions`, and its stored answers."""

    name = "openai_chat"
    routes: ClassVar[tuple[Route, ...]] = (
        Route(
            re.compile(r"/deployments/(?P<model>[^/]+)/(?:extensions/)?chat/completions/?$"), "chat"
        ),
        # Hugging Face's older addresses.
        Route(re.compile(r"/models/(?P<model>.+)/v1/chat/completions/?$"), "chat"),
        Route(re.compile(r"/chat/completions/?$"), "chat"),
        Route(re.compile(r"/text/chatcompletion_v2/?$"), "chat"),  # MiniMax
        # Vertex AI's partners, but for those who have a format of their own; and Mistral's OCR.
        Route(re.compile(rf"{_PARTNER}:rawPredict$"), "chat"),
        Route(re.compile(rf"{_PARTNER}:streamRawPredict$"), "chat", streams=True),
        Route(re.compile(r"(?<!/v2)/v1/chat/?$"), "chat"),  # Writer
        # Mistral's agents: the answer names the model, the request an agent.
        Route(re.compile(r"/agents/completions/?$"), "chat"),
        # Databricks' served models: the path names them, the body need not.
        Route(re.compile(r"/serving-endpoints/(?P<model>[^/]+)/invocations/?$"), "chat"),
        Route(re.compile(r"/chat/completions/[^/]+/?$"), "chat", ("GET",), counted=False),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of chunks."""
        return ChoicesAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        choice = first(body.get("choices"))
        if answer.usage.source == "none":
            # Groq's extension; Moonshot's last chunk.
            usage = mapping(body.get("x_groq")).get("usage") or choice.get("usage")
            answer.usage, answer.reported = openai_usage.read(usage)
        answer.by_model = _by_model(body)
        if isinstance(body.get("choices"), list):
            openai_choice.read(answer, choice)
        answer.finish_reason = openai_choice.finish_reason(choice)
        return answer


def _by_model(body: dict[str, Json]) -> tuple[ModelUsage, ...]:
    """Return what each model used of Groq's compound ones, whose usage is the sum.

    https://console.groq.com/docs/compound (read 2026-11-24)
    """
    breakdown = body.get("usage_breakdown") or mapping(body.get("x_groq")).get("usage_breakdown")
    models = map(mapping, items(mapping(breakdown).get("models")))
    parts = [
        (filled(each.get("model")), openai_usage.read(each.get("usage"))[0]) for each in models
    ]
    return tuple(ModelUsage(name, usage) for name, usage in parts if name)


DIALECT = OpenAIChat()
