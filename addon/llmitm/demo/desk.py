"""What the local provider remembers between requests, and what every dialect has in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llmitm.calls import Json
from llmitm.demo.message import ApiError, Reply, Request

EPOCH = 1_790_000_000
"""The `created` of everything: answers must not depend on the clock."""


@dataclass(slots=True)
class Desk:
    """Files, batches and responses that were made, and how often each request was seen."""

    answer: Callable[[Request], Reply]
    """Answers a request as if it had been sent by itself; for the lines of a batch."""
    kept: dict[str, Json] = field(default_factory=dict)
    """Documents by their id."""
    files: dict[str, bytes] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def fetch(self, identifier: str) -> Json:
        """Return a kept document; `ApiError` 404 where there is none."""
        try:
            return self.kept[identifier]
        except KeyError:
            raise ApiError(404, f"No object found with id {identifier!r}", "not_found") from None


Handler = Callable[[Request, Desk, re.Match[str]], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One path that a dialect answers; `pattern` is matched at the end of the path."""

    method: str
    pattern: re.Pattern[str]
    handle: Handler


def route(method: str, pattern: str, handle: Handler) -> Route:
    """Return a route for paths that end with `pattern`, whatever prefix a host puts before."""
    return Route(method, re.compile(rf".*{pattern}"), handle)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of providers is spoken to."""

    name: str
    speaks: Callable[[Request], bool]
    routes: Sequence[Route]
    error: Callable[[ApiError, Request], Reply]
    stream_error: Callable[[Request], list[bytes]]
    """The events that end a stream which fails inside a 200."""


def required(document: Json, key: str, kind: type | tuple[type, ...] = str) -> Json:
    """Return a field of a request's body; `ApiError` 400 where it is missing or of another type."""
    value = document.get(key)
    if value is None:
        raise ApiError(400, f"Missing required parameter: '{key}'.", "missing_required_parameter")
    if not isinstance(value, kind):
        raise ApiError(400, f"Invalid type for '{key}': {type(value).__name__}.", "invalid_type")
    return value


def texts(value: Json) -> list[str]:
    """Return every text of a message's content, in order: strings, and parts that hold some."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    if isinstance(value, dict):
        held = (value.get(key) for key in ("text", "content", "output", "parts", "toolResult"))
        return [text for part in held for text in texts(part)]
    return []
