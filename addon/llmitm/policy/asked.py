"""What a call's own control headers ask for: each header, the switch that it sets, and how its value is read.

A wrong value leaves its switch as it would be without the header, and makes a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from llmitm.calls import Headers, Json
from llmitm.policy import fallback_chains, values
from llmitm.policy.switches import Layer
from llmitm.wire import jsontext

_LONGEST_SHOWN = 40
_LIKE_A_KEY = re.compile(r"[A-Za-z0-9_-]{24,}|Bearer|://[^/]*@|sk-", re.IGNORECASE)
_MAX_AGE = re.compile(r'(s-maxage|max-age)\s*=\s*"?([0-9]+)"?')
_CACHE_CONTROL = "cache-control"


class _Header(NamedTuple):
    name: str
    switch: str
    read: Callable[[str], Json]
    may_be_secret: bool = False


def _milliseconds(text: str) -> float:
    """Read milliseconds as the seconds that the switch holds."""
    return values.fraction(text, 0, values.LONGEST_WAIT * 1000) / 1000


def _fallbacks(text: str) -> Json:
    return fallback_chains.of_array(jsontext.parse_or_none(text))


def _seed(text: str) -> str:
    return text


_HEADERS = (
    _Header("Helicone-Cache-Enabled", "cache", values.boolean),
    _Header("Helicone-Cache-Read", "cache_read", values.boolean),
    _Header("Helicone-Cache-Save", "cache_save", values.boolean),
    _Header(
        "Helicone-Cache-Bucket-Max-Size",
        "cache_bucket_size",
        partial(values.whole, low=1, high=values.MOST_ANSWERS),
    ),
    _Header("Helicone-Cache-Seed", "cache_seed", _seed, may_be_secret=True),
    _Header("Helicone-Cache-Ignore-Keys", "cache_ignore_keys", values.keys),
    _Header("Helicone-Retry-Enabled", "retry", values.boolean),
    _Header(
        "Helicone-Retry-Num", "retries", partial(values.whole, low=0, high=values.MOST_RETRIES)
    ),
    _Header(
        "Helicone-Retry-Factor",
        "retry_factor",
        partial(values.fraction, low=1, high=values.LARGEST_FACTOR),
    ),
    _Header("Helicone-Retry-Min-Timeout", "retry_first_wait", _milliseconds),
    _Header("Helicone-Retry-Max-Timeout", "retry_longest_wait", _milliseconds),
    _Header("Helicone-Fallback-Model", "fallback_models", values.names),
    _Header("Helicone-Fallback-OnCodes", "fallback_codes", values.code_list),
    _Header("Helicone-Fallbacks", "fallbacks", _fallbacks, may_be_secret=True),
    _Header("Helicone-RateLimit-Policy", "rate_limit", values.rate_limit),
    _Header("Helicone-OpenAI-Api-Base", "target_url", values.origin),
    _Header("Helicone-Target-URL", "target_url", values.origin),
    _Header("X-llmitm-Priority", "priority", values.priority),
    _Header("Helicone-Stream-Usage", "stream_usage", values.boolean),
)
"""In order: where two set one switch, the later goes before the earlier."""

NAMES = tuple(header.name for header in _HEADERS)
_BY_NAME = {header.name.lower(): (place, header) for place, header in enumerate(_HEADERS)}


def read(headers: Headers) -> tuple[Layer, tuple[str, ...]]:
    """Return the switches that a call's headers set, and a note on each value that is wrong.

    Of a header that comes twice the last holds.
    """
    found: list[tuple[int, str, Json]] = []
    notes: list[str] = []
    for name, text in headers:
        lower = name.lower()
        if lower == _CACHE_CONTROL:
            found += [(-1, switch, value) for switch, value in _cache_control(text, notes).items()]
        elif (known := _BY_NAME.get(lower)) is not None:
            place, header = known
            try:
                found.append((place, header.switch, header.read(text)))
            except ValueError as error:
                notes.append(_note(header.name, text, str(error), header.may_be_secret))
    found.sort(key=lambda each: each[0])
    asked = {switch: value for _, switch, value in found}
    if "cache" in asked:  # the halves are the more exact, whatever their order
        asked = {"cache": asked["cache"], **asked}
    if "fallbacks" in asked and "fallback_models" in asked:
        notes.append("Helicone-Fallback-Model has no effect beside Helicone-Fallbacks")
        del asked["fallback_models"]
    return asked, tuple(notes)


def _cache_control(text: str, notes: list[str]) -> Mapping[str, Json]:
    """Read `Cache-Control` of a request; what it says beside ages and `no-...` is not for us."""
    value = text.lower()
    asked: dict[str, Json] = {}
    ages = dict(reversed(_MAX_AGE.findall(value)))
    age = ages.get("s-maxage", ages.get("max-age"))
    if age is not None:
        if len(age) < 12 and int(age) <= values.LONGEST_AGE:
            asked["cache_max_age"] = int(age)
        else:
            notes.append(
                _note("Cache-Control", text, f"a max-age up to {values.LONGEST_AGE} seconds")
            )
    directives = {part.strip() for part in value.split(",")}
    if "no-store" in directives:
        asked |= {"cache_read": False, "cache_save": False}
    elif "no-cache" in directives:
        asked["cache_read"] = False
    return asked


def _note(name: str, text: str, allowed: str, may_be_secret: bool = False) -> str:
    shown = ""
    if not may_be_secret and not _LIKE_A_KEY.search(text):
        shown = f" {text[:_LONGEST_SHOWN]!r}" + ("…" if len(text) > _LONGEST_SHOWN else "")
    return f"{name}{shown} has no effect: allowed is {allowed}"
