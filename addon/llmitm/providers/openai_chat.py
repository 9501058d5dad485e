"""OpenAI chat completions: the wire format that most other providers speak too."""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Prompt
from llmitm.providers.base import Dialect, Head, Route
from llmitm.providers.fields import first, flag, mapping, text


class OpenAIChat(Dialect):
    """`POST /chat/completions` and its stored answers."""

    name = "openai_chat"
    routes = (Route(re.compile(r"/chat/completions/?$"), "chat"),)

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        body = mapping(document)
        return Prompt(text(body.get("model")), flag(body.get("stream")), document)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        body = mapping(document)
        message = mapping(first(body.get("choices")).get("message"))
        return Answer(text(body.get("model")), text=text(message.get("content")), document=document)

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return OpenAI's error body."""
        return {"error": {"message": message, "type": error_type, "param": None, "code": error_type}}


DIALECT = OpenAIChat()
