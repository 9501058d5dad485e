"""What else lies under Gemini's paths: images and videos, token counts, models, files, caches, batches, jobs.

None of them reports usage that is charged by the token: pictures and seconds are counted where the call is priced,
and what a cache holds is charged by the hour.
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Operation, Prompt, ReportedUsage, Usage
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import filled, mapping
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

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        answer.usage, answer.reported = Usage(), ReportedUsage()
        # An endpoint of one's own has a number for a name, whatever model is behind it.
        read_predictions(answer, document)
        return answer


DIALECT = GeminiResources()
