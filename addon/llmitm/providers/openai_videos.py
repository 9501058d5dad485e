"""Videos: jobs that are charged by the second of what was asked for, with the call that asks.

Their state and the finished video are fetched by calls that are not counted.
https://platform.openai.com/docs/api-reference/videos
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Json, ReportedUsage, Usage
from llmitm.providers.base import Head, Route
from llmitm.providers.openai_base import OpenAIDialect


class OpenAIVideos(OpenAIDialect):
    """`POST /v1/videos`, its remixes, edits and extensions, and Azure's older `/video/generations/jobs`."""

    name = "openai_videos"
    routes = (
        # xAI has /videos/generations.
        Route(re.compile(r"/videos(?:/generations|/edits|/extensions)?/?$"), "video"),
        Route(re.compile(r"/videos/[^/]+/remix/?$"), "video"),
        Route(re.compile(r"/video/generations/jobs/?$"), "video"),
        Route(re.compile(r"/video/generations/"), "video", ("GET", "DELETE"), counted=False),
    )

    def answer(self, document: Json, head: Head) -> Answer:
        """Read the job that a request has made; nothing of it is used yet."""
        answer = super().answer(document, head)
        answer.usage, answer.reported = Usage(), ReportedUsage()
        return answer


DIALECT = OpenAIVideos()
