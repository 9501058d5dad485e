"""What else lies under OpenAI's paths: files, batches, models, jobs, assistants, realtime set-up.

These answers describe things that are kept, and are read for their id and error only: the model that an assistant
or a batch names has not answered anything, and a batch's usage is billed with its results. A `GET` returns what an
earlier call has made, so it is never counted.
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Operation, ReportedUsage, Usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.openai_base import OpenAIDialect

_NOT_POST = ("GET", "DELETE", "PUT", "PATCH", "HEAD")
_BELOW = r"(?:/.*)?$"
_PATHS: tuple[tuple[str, Operation], ...] = (
    (
        r"/(?:assistants|threads|vector_stores|fine_tuning|fine-tunes|evals|conversations|agents"
        r"|organization|containers|chat/completions|responses)",
        "other",
    ),
    (r"/batches", "batch"),
    (r"/(?:files|uploads)", "file"),
    (r"/videos", "video"),
)


class OpenAIResources(OpenAIDialect):
    """Everything that is not generation by itself."""

    name = "openai_resources"
    routes = (
        *(
            Route(re.compile(path + _BELOW), operation, methods, counted="POST" in methods)
            for path, operation in _PATHS
            for methods in (("POST",), _NOT_POST)
        ),
        Route(re.compile(r"/(?:realtime|voice-live)" + _BELOW), "realtime", ("GET", "POST")),
        # Not POST: Hugging Face runs a model at /models/{id}.
        Route(re.compile(r"/models" + _BELOW), "models", ("GET", "HEAD", "DELETE")),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events, which runs of assistants have."""
        return LastEvent()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        answer.model, answer.service_tier, answer.provider_cost_usd = None, None, None
        answer.usage, answer.reported = Usage(), ReportedUsage()
        return answer


class LastEvent(Assembler):
    """Keep the last event of a stream: each repeats the whole of the object that it is about."""

    def __init__(self) -> None:
        self._last: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        self._last = {"error": payload} if event == "error" else payload
        return bool(event and event.endswith(".delta"))

    def document(self) -> Json:
        """Return the last event."""
        return self._last


DIALECT = OpenAIResources()
