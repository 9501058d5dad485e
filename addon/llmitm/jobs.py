"""Jobs: asked for in one call, answered by a later one that may be made again and again. Each is charged once.

What was asked is remembered by the job's id, for the answer need not repeat it; so is that a job has been charged.
Both are forgotten when the proxy ends, or when so many others have come.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from llmitm.calls import Answer, Endpoint, Prompt

_MOST_REMEMBERED = 2_000
_LONGEST_REQUEST = 16_384
"""Bytes of a request up to which all of it is remembered, not only its model: it may have pictures in it."""


@dataclass(slots=True)
class _Job:
    endpoint: Endpoint
    prompt: Prompt
    charged: bool = False


class Jobs:
    """The jobs that were seen. Called from one thread."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[tuple[str, str], _Job] = OrderedDict()

    def settle(
        self, endpoint: Endpoint, prompt: Prompt, answer: Answer, request_bytes: int
    ) -> tuple[Endpoint, Prompt]:
        """Return what an answer is an answer to, and in the endpoint whether it is the one that counts."""
        if answer.job is None or answer.response_id is None:
            return endpoint, prompt
        key = (endpoint.provider, answer.response_id)
        job = self._jobs.get(key)
        if job is None:
            whole = request_bytes <= _LONGEST_REQUEST
            job = _Job(endpoint, prompt if whole else replace(prompt, document=None))
            self._jobs[key] = job
            if len(self._jobs) > _MOST_REMEMBERED:
                self._jobs.popitem(last=False)
        if answer.job == "running":
            return endpoint, prompt
        asked, counts = job.prompt, not job.charged
        job.charged, job.prompt = True, replace(asked, document=None)
        meant = job.endpoint
        found = replace(
            endpoint,
            operation=meant.operation,
            model=meant.model or endpoint.model,
            counted=counts,
        )
        return found, asked
