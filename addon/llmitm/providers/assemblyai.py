"""AssemblyAI: a transcript is a job, asked for again and again until it is there.

The first answer that shows it has its length, which is what is charged; a failed one is not charged.
https://www.assemblyai.com/docs/api-reference/transcripts
"""

from __future__ import annotations

import re
from typing import Literal

from llmitm.calls import Answer, Endpoint, Json, Prompt
from llmitm.providers import error_bodies
from llmitm.providers.base import Dialect, Head, Route
from llmitm.providers.fields import filled, items, mapping, text

_JOB: dict[str | None, Literal["running", "done"]] = {
    "queued": "running",
    "processing": "running",
    "completed": "done",
}


class AssemblyAI(Dialect):
    """`POST /v2/transcript` and `GET /v2/transcript/{id}`."""

    name = "assemblyai"
    routes = (
        Route(re.compile(r"^/v2/transcript/?$"), "transcription"),
        Route(re.compile(r"^/v2/transcript/[^/]+/?$"), "transcription", ("GET",), counted=False),
        Route(re.compile(r"^/v2/transcript"), "other", ("GET", "DELETE"), counted=False),
        Route(re.compile(r"^/v2/upload/?$"), "file"),
        Route(re.compile(r"^/v[23]/(?:realtime/)?ws"), "realtime", ("GET",)),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request; of a list of models the first that can do it is taken."""
        body = mapping(document)
        listed = next(map(filled, items(body.get("speech_models"))), None)
        return Prompt(model=filled(body.get("speech_model")) or listed, document=document)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a transcript in whatever state it is."""
        body = mapping(document)
        return Answer(
            model=filled(body.get("speech_model_used")) or filled(body.get("speech_model")),
            response_id=filled(body.get("id")),
            text=text(body.get("text")),
            error_message=error_bodies.read(document, head.status).message,
            job=_JOB.get(filled(body.get("status"))),
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return AssemblyAI's error body."""
        return {"error": message}


DIALECT = AssemblyAI()
