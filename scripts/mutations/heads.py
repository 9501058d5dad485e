"""Mutations of what stands around the bodies: headers, encodings, status, path."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from random import Random

import brotli
import zstandard

from mutations.draft import Draft
from mutations.plain import Mutation

_KINDS = (
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    'multipart/form-data; boundary="',
    "multipart/form-data; boundary=\udcff\udcfe",
    "multipart/form-data; boundary=ä€",
    "application/x-www-form-urlencoded",
    "audio/mpeg",
    "text/html; charset=\udcff",
    "",
    ";;;=",
    "x" * 5_000,
)
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
_ENCODINGS = (*_ENCODERS, "x-gzip", "gzip, br", "GZIP", "identity", "compress", "\udcff", ",,", "*")
_VALUES = (
    "",
    "\udcff\udcfe",
    "ä",
    "\x00",
    "-1",
    "0",
    "nan",
    "inf",
    "1e400",
    "9" * 400,
    "99999-99-99T99:99:99Z",
    "2026-11-26T12:00:00+99:99",
    "1m1m1m1m",
    "1d2h3m4.5s6ms",
    "x" * 10_000,
    "%",
    "%ff%00%",
    '{"a":',
    "\ud800",
)
_NAMES = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-tokens-limit",
    "retry-after",
    "authorization",
    "user-agent",
    "content-length",
    "x-stainless-retry-count",
    "x-fal-billable-units",
    "character-cost",
    "dg-char-count",
    "x-amzn-bedrock-input-token-count",
    "x-amzn-errortype",
    "x-request-id",
    "openai-model",
    "helicone-user-id",
    "helicone-session-path",
    "helicone-property-",
    "helicone-property-ä",
    "helicone-request-id",
    "helicone-omit-request",
    "",
    "\udcff",
    "ſ",
)
_PATHS = ("%", "%ff", "%00", "%2F", "//", "/../", "?", "?model=%ff", "?key=", "&&&=", "#", "ä", " ")
_STATUSES = (None, 0, 100, 101, 200, 204, 299, 304, 400, 429, 500, 599, 999)


def kind(draft: Draft, random: Random) -> None:
    """Say that a body is of another type."""
    draft.side(random).set("content-type", random.choice(_KINDS))


def encoding(draft: Draft, random: Random) -> None:
    """Encode a body, and tell the truth about it or lie; the encoded bytes may be damaged too."""
    side = draft.side(random)
    name = random.choice(tuple(_ENCODERS))
    if random.random() < 0.7:
        side.body = _ENCODERS[name](side.body)
    side.set("content-encoding", name if random.random() < 0.6 else random.choice(_ENCODINGS))
    if random.random() < 0.3 and side.body:
        at = random.randrange(len(side.body))
        side.body = side.body[:at] + bytes([random.randrange(256)]) + side.body[at + 1 :]


def odd_header(draft: Draft, random: Random) -> None:
    """Add a header that somebody looks at, with a value that it cannot have; or damage one that is there."""
    side = random.choice((draft.request, draft.response))
    if side.headers and random.random() < 0.5:
        at = random.randrange(len(side.headers))
        side.headers[at] = (side.headers[at][0], random.choice(_VALUES))
    else:
        side.headers.insert(0, (random.choice(_NAMES), random.choice(_VALUES)))


def headers_gone(draft: Draft, random: Random) -> None:
    """Leave out the headers, or double them."""
    side = random.choice((draft.request, draft.response))
    side.headers = [] if random.random() < 0.5 else side.headers * 2


def path(draft: Draft, random: Random) -> None:
    """Put something odd into the path."""
    at = random.randrange(len(draft.path) + 1)
    draft.path = draft.path[:at] + random.choice(_PATHS) + draft.path[at:]


def status(draft: Draft, random: Random) -> None:
    """Answer with another status."""
    draft.status = random.choice(_STATUSES)


MUTATIONS: tuple[Mutation, ...] = (
    kind,
    kind,
    encoding,
    encoding,
    odd_header,
    odd_header,
    odd_header,
    headers_gone,
    path,
    status,
)
