"""What else lies under OpenAI's paths: files, batches, models, jobs, assistants, realtime set-up.

These answers describe things that are kept, and are read for their id and error only: the model that an assistant
or a batch names has not answered anything. A `GET` returns what an earlier call has made, so it is never counted:
but for the results of a batch, which are a file like others until its lines are seen, and for a fine-tuning job that
has succeeded. They are what a batch and a training are charged for.
"""

from __future__ import annotations

import re
from functools import partial

from llmitm.calls import Answer, Endpoint, Json, Operation, ReportedUsage, Usage
from llmitm.providers import openai_batch
from llmitm.providers.base import Assembler, Head, Results, Route
from llmitm.providers.batch_results import BatchResults
from llmitm.providers.fields import count, filled, items, mapping
from llmitm.providers.openai_base import OpenAIDialect

_NOT_POST = ("GET", "DELETE", "PUT", "PATCH", "HEAD")
_BELOW = r"(?:/.*)?$"
_PATHS: tuple[tuple[str, Operation], ...] = (
    (
        r"/(?:assistants|threads|vector_stores|fine_tuning|fine-tunes|evals|conversations|agents"
        r"|organization|containers|chat/completions|responses)",
        "other",
    ),
    (r"/(?:batches|batch/jobs)", "batch"),
    (r"/(?:files|uploads)", "file"),
    (r"/videos", "video"),
)


class OpenAIResources(OpenAIDialect):
    """Everything that is not generation by itself."""

    name = "openai_resources"
    routes = (
        Route(
            re.compile(r"/files/(?P<resource>[^/]+)/content/?$"), "file", ("GET",), counted=False
        ),
        # Mistral's, which may hold their results.
        Route(re.compile(r"/batch/jobs/(?P<resource>[^/]+)/?$"), "batch", ("GET",), counted=False),
        Route(
            re.compile(r"/fine_tuning/jobs/(?P<resource>[^/]+)/?$"),
            "other",
            ("GET",),
            counted=False,
        ),
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

    def results(self, endpoint: Endpoint) -> Results | None:
        """Return a reader of a file's lines, for it may be the results of a batch."""
        if endpoint.operation != "file" or endpoint.resource is None:
            return None
        return BatchResults(partial(openai_batch.read, provider=endpoint.provider))

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        if head.endpoint.operation == "batch" and (results := _outputs(document, head)):
            return results
        answer = super().answer(document, head)
        answer.model, answer.service_tier, answer.provider_cost_usd = None, None, None
        answer.usage, answer.reported = Usage(), ReportedUsage()
        job = mapping(document)
        if job.get("object") == "fine_tuning.job":
            _read_training(answer, job)
        return answer


def _outputs(document: Json, head: Head) -> Answer | None:
    """Return the results that Mistral puts into a finished job where it is asked to (`inline=true`).

    https://docs.mistral.ai/api/endpoint/batch
    """
    job = mapping(document)
    if job.get("completed_at") is None:
        return None
    results = BatchResults(partial(openai_batch.read, provider=head.endpoint.provider))
    for output in items(job.get("outputs")):
        results.add(output)
    return results.answer(head)


def _read_training(answer: Answer, job: dict[str, Json]) -> None:
    """Read a fine-tuning job: it is charged by the tokens that it was trained on.

    But for reinforcement, which is charged by the time that it took and which no answer tells.
    https://platform.openai.com/docs/api-reference/fine-tuning/object
    """
    status, tokens = filled(job.get("status")), count(job.get("trained_tokens"))
    if status in ("validating_files", "queued", "running", "paused"):
        answer.job = "running"
    elif status == "succeeded":
        answer.job, answer.model = "done", filled(job.get("model"))
        if tokens is not None and mapping(job.get("method")).get("type") != "reinforcement":
            answer.usage = Usage("reported", other={"training": tokens})


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
