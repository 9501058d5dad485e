"""How the local provider behaves, asked for in words: `demo-slow-300+gap-20` as the model, or an `x-demo` header.

Every word is one row of `WORDS`; a model that does not start with `demo-` is an ordinary one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

HEADER = "x-demo"
PREFIX = "demo-"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What is out of the ordinary in an answer; the defaults are an ordinary one."""

    error: int | None = None
    """Answer with this status."""
    retry_after: int | None = None
    """Seconds, sent with an error."""
    times: int | None = None
    """Only the first so many equal requests meet `error`, `drop`, `cut` or `stream_error`."""
    drop: bool = False
    """Close the connection without an answer."""
    cut: int | None = None
    """Break the connection after so many parts of a stream, or half-way in a whole body."""
    stream_error: int | None = None
    """End a stream with an error event after so many parts."""
    slow_ms: int = 0
    """Wait before the first byte."""
    gap_ms: int = 0
    """Wait between the parts of a stream."""
    long: int | None = None
    """Answer with exactly so many tokens of text, one a chunk."""
    tools: int | None = None
    """Call so many of the request's tools at once."""
    reasoning: bool = False
    refusal: bool = False
    cached: int | None = None
    """Tokens of the prompt that are said to come from the cache."""
    encoding: str | None = None
    """Content-encoding of the answer, if the client accepts it."""


WORDS: dict[str, tuple[str, int | str | bool]] = {
    "error": ("error", 500),
    "retry-after": ("retry_after", 1),
    "times": ("times", 1),
    "drop": ("drop", True),
    "cut": ("cut", 4),
    "stream-error": ("stream_error", 4),
    "slow": ("slow_ms", 300),
    "gap": ("gap_ms", 20),
    "long": ("long", 200),
    "tools": ("tools", 2),
    "reasoning": ("reasoning", True),
    "refusal": ("refusal", True),
    "cached": ("cached", 8),
    "gzip": ("encoding", "gzip"),
    "br": ("encoding", "br"),
    "zstd": ("encoding", "zstd"),
    "deflate": ("encoding", "deflate"),
}
"""Word: the field it sets, and the value where the word has no number of its own (`gap-5`)."""

_WORD = re.compile(r"(?P<name>[a-z]+(?:-[a-z]+)*)(?:-(?P<number>\d+))?")


def parse(model: str | None, header: str | None = None) -> Behaviour:
    """Return the behaviour that a model's name and the header ask for; ValueError names an unknown word."""
    words = re.split(r"[\s,+]+", header.strip()) if header else []
    if model and model.startswith(PREFIX):
        words += model.removeprefix(PREFIX).split("+")
    behaviour = Behaviour()
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None or match["name"] not in WORDS:
            raise ValueError(
                f"{word!r} is no behaviour; allowed are {', '.join(WORDS)}, as in gap-20"
            )
        field, value = WORDS[match["name"]]
        if match["number"] is not None:
            if type(value) is not int:
                raise ValueError(f"{match['name']!r} takes no number, found {word!r}")
            value = int(match["number"])
        changes: dict[str, Any] = {field: value}
        behaviour = replace(behaviour, **changes)
    return behaviour
