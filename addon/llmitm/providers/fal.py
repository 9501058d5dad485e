"""fal: the path names the model. Asked at once (`fal.run`), or put in a queue and asked for until it is there.

The answer with the result has in its header what is charged, in the unit of the model's price: images, megapixels,
seconds. The path of a queued result names less of the model than the request did.
https://fal.ai/docs/model-endpoints/queue
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from llmitm.calls import Answer, Endpoint, Json, Prompt, header
from llmitm.providers import error_bodies, predictions
from llmitm.providers.base import Dialect, Head, Route
from llmitm.providers.fields import filled, mapping, text

_WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
_SUCCESS = range(200, 300)


class Fal(Dialect):
    """`POST /{owner}/{app}/...` and, of the queue, `/{owner}/{app}/requests/{id}`."""

    name = "fal"
    routes = (
        Route(
            re.compile(r"^/(?P<model>[^/]+/[^/]+)(?:/.*)?/requests/[^/]+(?:/.*)?$"),
            "other",
            ("GET", "PUT"),
            counted=False,
        ),
        # Some apps speak OpenAI's dialect below their name.
        Route(
            re.compile(r"^(?!.*/v1/)/(?P<model>[^/]+/[^/]+?(?:/[^/]+?)*?)(?:/stream)?/?$"), "other"
        ),
    )

    def endpoint(self, provider: str, method: str, path: str) -> Endpoint | None:
        """Return what a path means; the model's name says what it does."""
        found = super().endpoint(provider, method, path)
        if found is None or found.model is None:
            return found
        return replace(found, operation=predictions.operation(found.model))

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        return Prompt(model=endpoint.model, document=document)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a result, or the state of a request in the queue."""
        body = mapping(document)
        return Answer(
            response_id=filled(body.get("request_id")) or header(head.headers, "x-fal-request-id"),
            text=text(body.get("text")) if "text" in body else text(body.get("output")),
            # FastAPI's faults have a type each, the answer has none.
            error_message=error_bodies.read(document, head.status).message,
            job=_job(body, head),
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return fal's error body."""
        return {"detail": message}


def _job(body: dict[str, Json], head: Head) -> Literal["running", "done"] | None:
    if filled(body.get("status")) in _WAITING:
        return "running"
    is_state = "response_url" in body
    fetched = not head.endpoint.counted and head.status in _SUCCESS and not is_state
    return "done" if fetched and body else None


DIALECT = Fal()
