"""Chat on IBM watsonx.ai: OpenAI's format under paths of its own, where `model_id` names the model.

https://cloud.ibm.com/apidocs/watsonx-ai#text-chat (read 2026-11-26)
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json, Prompt
from llmitm.providers import watsonx
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import filled, mapping
from llmitm.providers.openai_chat import OpenAIChat


class WatsonxChat(OpenAIChat):
    """`POST /ml/v1/[deployments/{id}/]text/chat`, and `chat_stream`."""

    name = "watsonx_chat"
    routes = (
        Route(re.compile(r"/text/chat/?$"), "chat"),
        Route(re.compile(r"/text/chat_stream/?$"), "chat", streams=True),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        model = filled(mapping(document).get("model_id"))
        return replace(super().prompt(document, endpoint), model=model, streaming=endpoint.streams)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        answer.model = filled(mapping(document).get("model_id")) or answer.model
        return answer

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return watsonx's error body."""
        return watsonx.refusal(status, error_type, message)


DIALECT = WatsonxChat()
