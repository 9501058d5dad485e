"""One result of a batch as OpenAI has them, and those who took over its files of requests and results.

The answer stands whole in `response.body`, of whatever operation it was. It says that its tier was the default one:
that it was a batch is told by where it stands.
https://platform.openai.com/docs/api-reference/batch/request-output
"""

from __future__ import annotations

from llmitm.calls import Answer, Endpoint, Headers, Json, Operation, Prompt
from llmitm.providers import (
    error_bodies,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from llmitm.providers.base import Dialect, Head
from llmitm.providers.fields import count, mapping

_OK = 200
_FAILED = 400
_NO_HEADERS: Headers = ()
_OPERATIONS: dict[str, tuple[Dialect, Operation]] = {
    "chat.completion": (openai_chat.DIALECT, "chat"),
    "text_completion": (openai_completions.DIALECT, "completion"),
    "response": (openai_responses.DIALECT, "chat"),
    "list": (openai_embeddings.DIALECT, "embedding"),
}
"""What reads an answer, by what it says it is."""


def read(line: dict[str, Json], provider: str) -> Answer | None:
    """Return one result's answer; None where the line is none."""
    if "custom_id" not in line or "response" not in line:
        return None  # a request has `body` in its place
    response = mapping(line["response"])
    status = count(response.get("status_code"))
    status, body = _OK if status is None else status, response.get("body")
    if not response or line.get("error") or status >= _FAILED:
        error = error_bodies.read(body or {"error": line.get("error")}, max(status, _FAILED))
        return Answer(error_type=error.type or "failed", error_message=error.message)
    return answer(body, provider)


def answer(body: Json, provider: str) -> Answer:
    """Return what the answer to one of the requests says."""
    kind = mapping(body).get("object")
    dialect, operation = _OPERATIONS.get(str(kind), (openai_chat.DIALECT, "chat"))
    endpoint = Endpoint(provider, operation, dialect.name)
    return dialect.answer(body, Head(_OK, _NO_HEADERS, endpoint, Prompt()))
