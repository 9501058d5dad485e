"""Replicate: any model is a prediction, made in one call and asked for in others until it is done.

`metrics` has what is charged: seconds of computing, or for models with a price of their own what was made.
https://replicate.com/docs/reference/http, https://replicate.com/docs/topics/billing
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from llmitm.calls import Answer, Endpoint, Json, Prompt, ReportedUsage, Usage
from llmitm.providers import error_bodies, predictions
from llmitm.providers.base import Assembler, Dialect, Head, Route
from llmitm.providers.fields import count, filled, flag, items, mapping, number

_RUNNING = frozenset({"starting", "processing", "queued"})
_MADE = {
    "predict_time": "compute_second",
    "image_output_count": "image",
    "video_output_count": "video",
    "video_output_duration_seconds": "video_second",
    "audio_output_duration_seconds": "output_audio_second",
    "character_input_count": "character",
    "unspecified_billing_metric": "billable_unit",
}
"""Metrics by the unit of the price table."""
_READS = ("GET", "HEAD")


class Replicate(Dialect):
    """`POST /v1/predictions`, `/v1/models/{owner}/{name}/predictions`, and what comes of them."""

    name = "replicate"
    routes = (
        Route(re.compile(r"^/v1/models/(?P<model>[^/]+/[^/]+)/predictions/?$"), "other"),
        Route(re.compile(r"^/v1/(?:deployments/[^/]+/[^/]+/)?predictions/?$"), "other"),
        Route(re.compile(r"^/v1/predictions/[^/]+/cancel$"), "other", counted=False),
        Route(re.compile(r"^/v1/predictions/[^/]+/?$"), "other", _READS, counted=False),
        Route(re.compile(r"^/v1/(?:streams|files)/"), "other", ("GET",), counted=False),
        Route(re.compile(r"^/v1/(?:models|collections|hardware)"), "models", _READS),
        Route(re.compile(r"^/v1/(?:models/.*/)?trainings"), "other"),
    )

    def endpoint(self, provider: str, method: str, path: str) -> Endpoint | None:
        """Return what a path means; the model's name says what it does."""
        found = super().endpoint(provider, method, path)
        if found is None or found.model is None:
            return found
        return replace(found, operation=predictions.operation(found.model))

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request; the version of a community model names no model."""
        body = mapping(document)
        version = (filled(body.get("version")) or "").partition(":")[0]
        named = version if "/" in version else None
        return Prompt(
            model=filled(body.get("model")) or endpoint.model or named,
            streaming=flag(body.get("stream")),
            document=document,
        )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of a prediction's output, which comes as text."""
        return OutputAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a prediction."""
        body = mapping(document)
        usage, reported = _usage(mapping(body.get("metrics")))
        return Answer(
            model=filled(body.get("model")),
            response_id=filled(body.get("id")),
            text=_text(body.get("output")),
            usage=usage,
            reported=reported,
            # The type would be the HTTP status once more.
            error_message=error_bodies.read(document, head.status).message,
            job=_job(body, head),
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Replicate's error body."""
        return {"title": error_type, "detail": message, "status": status}


class OutputAssembler(Assembler):
    """Collect the output of a model that writes text."""

    plain = True

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._pieces: list[str] = []

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried text."""
        if event == "error":
            self._document["error"] = payload
        elif event == "output":
            self._pieces.append(payload)
            return bool(payload)
        return False

    def document(self) -> Json:
        """Return the output as a prediction has it."""
        return {**self._document, "output": self._pieces}


def _job(body: dict[str, Json], head: Head) -> Literal["running", "done"] | None:
    status = filled(body.get("status"))
    if status is None or not filled(body.get("id")):
        return None
    # Who waits for the output gets it a moment before the prediction counts as done.
    waited = head.endpoint.counted and body.get("output") is not None
    return "running" if status in _RUNNING and not waited else "done"


def _usage(metrics: dict[str, Json]) -> tuple[Usage, ReportedUsage]:
    tokens = [
        next((n for name in names if (n := count(metrics.get(name))) is not None), None)
        for names in (
            ("token_input_count", "input_token_count"),
            ("token_output_count", "output_token_count"),
        )
    ]
    made = {
        unit: amount
        for name, unit in _MADE.items()
        if (amount := number(metrics.get(name))) is not None
    }
    if not made and tokens == [None, None]:
        return Usage(), ReportedUsage()
    usage = Usage("reported", input_tokens=tokens[0], output_tokens=tokens[1], other=made)
    return usage, ReportedUsage(input=tokens[0], output=tokens[1])


def _text(output: Json) -> str | None:
    """Return what a model wrote, in one piece or many; what others made is addresses of files."""
    pieces = [output] if isinstance(output, str) else items(output)
    if not pieces or not all(isinstance(piece, str) for piece in pieces):
        return None
    written = "".join(pieces)
    return None if written.startswith(("https://", "data:")) else written


DIALECT = Replicate()
