"""Videos: jobs that are charged by the second of what was asked for, with the first answer that shows them finished.

That is the job's state, or the film itself. One that failed has made nothing and is not charged.
https://platform.openai.com/docs/api-reference/videos, https://docs.x.ai/docs/guides/video-generations
"""

from __future__ import annotations

import re
from typing import Literal

from llmitm.calls import Answer, Json, ReportedUsage, Usage
from llmitm.providers.base import Head, Route
from llmitm.providers.fields import filled, mapping
from llmitm.providers.openai_base import OpenAIDialect

_RUNNING = frozenset({"queued", "in_progress", "pending", "preprocessing", "running", "processing"})
_DONE = frozenset({"completed", "succeeded", "done"})
_SUCCESS = range(200, 300)


class OpenAIVideos(OpenAIDialect):
    """`POST /v1/videos`, its remixes, edits and extensions, and Azure's older `/video/generations/jobs`."""

    name = "openai_videos"
    routes = (
        # xAI has /videos/generations.
        Route(re.compile(r"/videos(?:/generations|/edits|/extensions)?/?$"), "video"),
        Route(re.compile(r"/videos/[^/]+/remix/?$"), "video"),
        Route(re.compile(r"/video/generations/jobs/?$"), "video"),
        Route(
            re.compile(r"/(?:videos|video/generations/jobs)/(?P<resource>[^/]+)(?:/content)?/?$"),
            "video",
            ("GET",),
            counted=False,
        ),
        Route(re.compile(r"/video/generations/"), "video", ("GET", "DELETE"), counted=False),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a job in whatever state it is."""
        answer = super().answer(document, head)
        answer.usage, answer.reported = Usage(), ReportedUsage()
        body, resource = mapping(document), head.endpoint.resource
        answer.response_id = resource or answer.response_id or filled(body.get("request_id"))
        answer.job = _job(body, head) if head.status in _SUCCESS else None
        return answer


def _job(body: dict[str, Json], head: Head) -> Literal["running", "done"] | None:
    status = filled(body.get("status"))
    if status in _DONE:
        return "done"
    # xAI names no state in the answer to the call that asks.
    if status in _RUNNING or (status is None and "request_id" in body):
        return "running"
    is_film = not body and head.endpoint.resource is not None
    return "done" if is_film else None


DIALECT = OpenAIVideos()
