"""What else lies under Gemini's paths: images and videos, token counts, models, files, caches, batches, jobs.

Of them only the results of a batch report usage that is charged by the token, be they in the batch itself or in a file
of their own: pictures and seconds are counted where the call is priced, and what a cache holds is charged by the hour.
Vertex AI puts results into a bucket, where they are not seen.
https://ai.google.dev/gemini-api/docs/batch-api
"""

from __future__ import annotations

import re
from functools import partial

from llmitm.calls import Answer, Endpoint, Json, Operation, Prompt, ReportedUsage, Usage
from llmitm.providers import gemini
from llmitm.providers.base import Head, Results, Route
from llmitm.providers.batch_results import BatchResults
from llmitm.providers.fields import filled, items, mapping
from llmitm.providers.gemini_base import MODEL, GeminiDialect
from llmitm.providers.gemini_embeddings import read_predictions

_READS = ("GET", "DELETE", "PATCH", "HEAD")
_BELOW = r"(?:/.*)?(?::\w+)?$"
_METHODS: tuple[tuple[str, Operation], ...] = (
    ("(?:countTokens|computeTokens)", "count_tokens"),
    ("(?:batchGenerateContent|asyncBatchEmbedContent)", "batch"),
    ("predictLongRunning", "video"),
)
_PATHS: tuple[tuple[str, Operation], ...] = (
    ("/files", "file"),
    ("/(?:batches|batchPredictionJobs)", "batch"),
    ("/(?:cachedContents|operations|tunedModels|fileSearchStores|corpora|tuningJobs)", "other"),
)


class GeminiResources(GeminiDialect):
    """Everything that is neither text nor an embedding."""

    name = "gemini_resources"
    routes = (
        *(Route(re.compile(f"{MODEL}:{method}$"), what) for method, what in _METHODS),
        Route(re.compile(rf"(?=.*imag){MODEL}:predict$"), "image"),
        Route(re.compile(rf"{MODEL}:predict$"), "other"),
        # The state of a job, asked for again and again.
        Route(
            re.compile(rf"{MODEL}(?:/operations/.*|:fetchPredictOperation)$"),
            "other",
            ("GET", "POST"),
            counted=False,
        ),
        Route(
            re.compile(r"/files/(?P<resource>[^/:]+):download$"), "file", ("GET",), counted=False
        ),
        Route(re.compile(r"/(?P<resource>batches/[^/:]+)/?$"), "batch", ("GET",), counted=False),
        *(
            Route(re.compile(path + _BELOW), operation, methods, counted="POST" in methods)
            for path, operation in _PATHS
            for methods in (("POST",), _READS)
        ),
        Route(re.compile("/models" + _BELOW), "models", _READS),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request; that of a cache names the model in its body."""
        prompt = super().prompt(document, endpoint)
        prompt.model = endpoint.model or filled(mapping(document).get("model"))
        return prompt

    def results(self, endpoint: Endpoint) -> Results | None:
        """Return a reader of a file's lines, for it may be the results of a batch."""
        if endpoint.operation != "file" or endpoint.resource is None:
            return None
        return BatchResults(partial(_read_result, model=None))

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        if head.endpoint.operation == "batch" and (results := _inlined(document, head)):
            return results
        answer = super().answer(document, head)
        answer.usage, answer.reported = Usage(), ReportedUsage()
        _read_job(answer, mapping(document), head)
        # An endpoint of one's own has a number for a name, whatever model is behind it.
        read_predictions(answer, document)
        return answer


def _read_job(answer: Answer, operation: dict[str, Json], head: Head) -> None:
    """Read a video as the job that it is. Google does not charge for one that it did not make.

    https://ai.google.dev/gemini-api/docs/video
    """
    name = filled(operation.get("name"))
    if head.endpoint.operation == "video" and name:
        answer.response_id, answer.job = name, "running"
    elif operation.get("done") is True and _films(mapping(operation.get("response"))):
        answer.response_id, answer.job = name, "done"


def _films(response: dict[str, Json]) -> list[Json]:
    inner = mapping(response.get("generateVideoResponse"))
    return items(response.get("videos")) or items(inner.get("generatedSamples"))


def _inlined(document: Json, head: Head) -> Answer | None:
    """Return the results that a finished batch holds itself."""
    batch = mapping(document)
    responses = mapping(mapping(batch.get("response")).get("inlinedResponses"))
    model = filled(mapping(batch.get("metadata")).get("model"))
    results = BatchResults(partial(_read_result, model=model))
    for response in items(responses.get("inlinedResponses")):
        results.add(response)
    return results.answer(head)


def _read_result(line: dict[str, Json], model: str | None) -> Answer | None:
    """Return one result's answer; an embedding does not repeat the model of the batch."""
    if "error" in line:
        code = mapping(line["error"]).get("code")
        return Answer(error_type=str(code) if code is not None else "error")
    response = mapping(line.get("response"))
    if not response:
        return None
    dialect = gemini.DIALECT
    head = Head(200, (), Endpoint("gemini", "chat", dialect.name), Prompt())
    answer = dialect.answer(response, head)
    answer.model = answer.model or (model.removeprefix("models/") if model else None)
    return answer


DIALECT = GeminiResources()
