"""Stability AI: images by engine (v1) and by service (v2beta), with sound, video and shapes beside them.

Every service has a price in credits. An answer is the picture itself, or JSON with it in base64.
https://platform.stability.ai/docs/api-reference, https://platform.stability.ai/pricing
"""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json, Operation, Prompt, header
from llmitm.providers import error_bodies
from llmitm.providers.base import Dialect, Head, Route
from llmitm.providers.fields import filled, first, items, mapping

_SERVICES: tuple[tuple[str, Operation], ...] = (
    ("stable-image/generate/(?P<model>[^/]+)", "image"),
    ("stable-image/(?:edit|control|upscale)/(?P<model>[^/]+)", "image"),
    ("(?P<model>image-to-video)", "video"),
    ("audio/(?P<model>[^/]+)/[^/]+", "speech"),
    ("3d/(?P<model>[^/]+)", "other"),
)
_SD3 = "sd3"
_SD3_DEFAULT = "sd3.5-large"
_GENERATORS = ("core", "ultra")


class Stability(Dialect):
    """`POST /v1/generation/{engine}/...` and `/v2beta/...`; the path names the model."""

    name = "stability"
    routes = (
        Route(re.compile(r"^/v1/generation/(?P<model>[^/]+)/[^/]+(?:/[^/]+)?/?$"), "image"),
        # What was asked for before: pictures that take long are fetched.
        Route(re.compile(r"^/v2beta/(?:results/|.*/result/)"), "other", ("GET",), counted=False),
        *(
            Route(re.compile(f"^/v2beta/{service}/?$"), operation)
            for service, operation in _SERVICES
        ),
        Route(re.compile(r"^/v1/engines/"), "models", ("GET",)),
    )

    def endpoint(self, provider: str, method: str, path: str) -> Endpoint | None:
        """Return what a path means; Stable Image Core and Ultra are only `core` and `ultra` there."""
        found = super().endpoint(provider, method, path)
        if found is None or found.model not in _GENERATORS:
            return found
        return replace(found, model=f"stable-image-{found.model}")

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request, JSON or form; only the service of Stable Diffusion 3 has several models."""
        model = endpoint.model
        if model == _SD3:
            model = filled(mapping(document).get("model")) or _SD3_DEFAULT
        return Prompt(model=model, document=document)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        body, error = mapping(document), error_bodies.read(document, head.status)
        reasons = [reason for reason in map(filled, items(body.get("errors"))) if reason]
        failed = head.status >= 400
        artifact = first(body.get("artifacts"))
        return Answer(
            response_id=filled(body.get("id")) or header(head.headers, "x-request-id"),
            finish_reason=header(head.headers, "finish-reason")
            or filled(body.get("finish_reason"))
            or filled(artifact.get("finishReason")),
            error_type=(filled(body.get("name")) or error.type) if failed else error.type,
            error_message="; ".join(reasons) or error.message if failed else error.message,
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Stability's error body."""
        return {"id": "", "name": error_type, "errors": [message]}


DIALECT = Stability()
