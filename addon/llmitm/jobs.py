"""Jobs: asked for in one call, answered by a later one that may be made again and again. Each is charged once.

A job is known by its id: that of a response made in the background, of a prediction, of a batch or of the file with
its results. What was asked is remembered by it, for the answer need not repeat it. That it has been charged is
decided where calls are recorded: by the log, so that it holds for every proxy that writes it, and after a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from llmitm import pricing
from llmitm.calls import Answer, Endpoint, Finished, Prompt

_MOST_REMEMBERED = 2_000
_LONGEST_REQUEST = 16_384
"""Bytes of a request up to which all of it is remembered, not only its model: it may have pictures in it."""
_REPEATED = "charged with the first answer that showed its result"


class JobId(NamedTuple):
    """What a job is known by."""

    provider: str
    id: str


class Asked(NamedTuple):
    """What a job was asked for."""

    endpoint: Endpoint
    prompt: Prompt


class Jobs:
    """What the jobs that were seen were asked for. Called from one thread.

    `recall` finds what is not in memory any more, as far as the log has it.
    """

    def __init__(self, recall: Callable[[JobId], Asked | None] | None = None) -> None:
        self._recall = recall or (lambda _: None)
        self._asked: OrderedDict[JobId, Asked] = OrderedDict()

    def settle(
        self, endpoint: Endpoint, prompt: Prompt, answer: Answer, request_bytes: int
    ) -> Asked:
        """Return what an answer is an answer to."""
        if answer.job is None or answer.response_id is None:
            return Asked(endpoint, prompt)
        job = JobId(endpoint.provider, answer.response_id)
        if answer.job == "running":
            whole = request_bytes <= _LONGEST_REQUEST
            asked = Asked(endpoint, prompt if whole else replace(prompt, document=None))
            if endpoint.counted:
                self._remember(job, asked)
            return Asked(endpoint, prompt)
        meant = Asked(endpoint, prompt)
        if not endpoint.counted:  # else the result came with the call that asked
            meant = self._asked.get(job) or self._recall(job) or meant
        if job in self._asked:
            self._asked[job] = Asked(meant.endpoint, replace(meant.prompt, document=None))
        found = replace(
            endpoint,
            operation=meant.endpoint.operation,
            model=meant.endpoint.model or endpoint.model,
            counted=True,
        )
        return Asked(found, meant.prompt)

    def _remember(self, job: JobId, asked: Asked) -> None:
        self._asked[job] = asked
        if len(self._asked) > _MOST_REMEMBERED:
            self._asked.popitem(last=False)


class Once:
    """Charge each job once among the calls of one run, where there is no log that knows."""

    def __init__(self) -> None:
        self._charged: set[JobId] = set()

    def settle(self, call: Finished) -> Finished:
        """Return a call as it counts."""
        job = charges(call)
        if job is None:
            return call
        if job in self._charged:
            return repeated(call)
        self._charged.add(job)
        return call


def job_of(call: Finished) -> JobId | None:
    """Return the job that a call is about; None where it is about none."""
    answer = call.answer
    if answer.job is None or answer.response_id is None:
        return None
    return JobId(call.endpoint.provider, answer.response_id)


def charges(call: Finished) -> JobId | None:
    """Return the job that is charged with a call, unless it has been charged before."""
    return job_of(call) if call.answer.job == "done" and call.endpoint.counted else None


def repeated(call: Finished) -> Finished:
    """Return a call that shows the result of a job which has been charged already."""
    return replace(
        call,
        endpoint=replace(call.endpoint, counted=False),
        charge=pricing.free(call.endpoint, call.exchange, _REPEATED),
    )
