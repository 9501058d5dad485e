"""Workers AI's own API: the model stands in the path, and the answer lies in an envelope under `result`.

https://developers.cloudflare.com/api/resources/ai/methods/run
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import first, mapping, text
from llmitm.providers.openai_chat import OpenAIChat
from llmitm.providers.openai_choices import ChoicesAssembler


class Cloudflare(OpenAIChat):
    """`POST .../ai/run/@cf/{maker}/{model}`; a stream has OpenAI's chunks, or Cloudflare's own `response` pieces."""

    name = "cloudflare"
    routes = (Route(re.compile(r"/ai/run/(?P<model>@(?:cf|hf)/.+)$"), "chat"),)

    def assembler(self, endpoint: Endpoint) -> ResultAssembler:
        """Return an assembler of chunks."""
        return ResultAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        body = mapping(document)
        result = mapping(body.get("result"))
        if not result:
            answer = super().answer(document, head)
            error = first(body.get("errors"))
            if answer.error_message is None and error:
                answer.error_type = str(error.get("code"))
                answer.error_message = text(error.get("message"))
            return answer
        answer = super().answer(result, head)
        said = text(result.get("response"))
        return replace(answer, text=said if said is not None else answer.text, document=document)


class ResultAssembler(ChoicesAssembler):
    """Collect chunks: OpenAI's, or those that have a piece of the text under `response`."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one chunk; return whether it carried content."""
        piece = mapping(payload).get("response")
        if not isinstance(piece, str):
            return super().add(payload, event)
        self._pieces.append(piece)
        rest = {key: value for key, value in mapping(payload).items() if key != "response"}
        return super().add(rest, event) or bool(piece)

    def document(self) -> Json:
        """Return the document as far as it came; of pieces, in the envelope of an unstreamed answer."""
        document = super().document()
        if not self._pieces:
            return document
        rest = {key: value for key, value in mapping(document).items() if key != "choices"}
        return {"result": {"response": "".join(self._pieces), **rest}}


DIALECT = Cloudflare()
