"""Rate limits and waiting times, out of every family of headers that providers send.

A reset is written in one of six ways: Go's durations (`1m26.4s`), RFC 3339, seconds whole or with a fraction, and
seconds or milliseconds since the epoch. The shape and the size of the value tell which; no provider needs to be
known for it. Fields, counts and formats: the recordings described in docs/accuracy.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from llmitm.calls import Headers, Json, RateLimit, header
from llmitm.providers.fields import first, items, mapping, text

_STANDARD = re.compile(r"x-ratelimit-(?P<part>limit|remaining|reset)(?:-(?P<name>.+))?")
_ANTHROPIC = re.compile(r"anthropic-ratelimit-(?P<name>.+)-(?P<part>limit|remaining|reset)")
_IETF = re.compile(r"(?P<name>)ratelimit-(?P<part>limit|remaining|reset)")
_MISTRAL_OLD = re.compile(
    r"(?:x-)?(?P<name>ratelimitbysize)-(?P<part>limit|remaining|reset)(?:-(?P<period>minute|month))?"
)
_COHERE = re.compile(
    r"x-(?P<name>trial-endpoint-call|endpoint-monthly-call)-(?P<part>limit|remaining)"
)
_GITHUB = re.compile(r"x-ratelimit-(?P<part>timeremaining)")

_FAMILIES: dict[str, tuple[re.Pattern[str], ...]] = {
    "anthropic": (_ANTHROPIC,),
    "cohere": (_COHERE, _STANDARD),
    "mistral": (_MISTRAL_OLD, _STANDARD),
    "huggingface": (_IETF, _STANDARD),
    "replicate": (_IETF,),
    "github": (_GITHUB, _STANDARD),
    "gemini": (),  # Google says it in the bodies of errors, see `retry_info`
    "openai": (_STANDARD,),
}
"""Families that are named in `providers.toml`. Groq, Cerebras, xAI, Together, OpenRouter and Azure send OpenAI's."""
_ANY = (_STANDARD, _ANTHROPIC, _IETF, _MISTRAL_OLD, _COHERE)

_NAMES = {"": "requests", "input-tokens": "input_tokens", "output-tokens": "output_tokens"}
_NO_LIMIT = 2**62
"""Hugging Face writes 2^63 where there is none."""
_GO = re.compile(r"([0-9.]+)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e11
"""From here on a number is a date: 1e9 s is the year 2001, 1e11 ms the year 1973."""


def families() -> tuple[str, ...]:
    """Return the names of the families, for error messages."""
    return tuple(_FAMILIES)


def read(family: str | None, headers: Headers, now: float) -> list[RateLimit]:
    """Return the limits that a response's headers state, in the order in which they first appear.

    `now` is when they were received, in seconds since the epoch. A family that is None, or not known, reads any.
    """
    patterns = _FAMILIES.get(family or "", _ANY)
    found: dict[str, dict[str, str]] = {}
    for key, value in headers:
        lower = key.lower()
        if "limit" not in lower and "-call-" not in lower:
            continue  # nearly all of them: not worth five patterns each
        for pattern in patterns:
            if match := pattern.fullmatch(lower):
                found.setdefault(_name(match), {})[match["part"]] = value.strip()
                break
    limits = (_limit(name, values, now) for name, values in found.items())
    return [limit for limit in limits if limit is not None]


def retry_after(headers: Headers, now: float) -> float | None:
    """Return how many seconds the provider asks to wait, None where it does not say.

    Read as SDKs do: `retry-after-ms`, else `retry-after` as a number, else as a date. Anthropic sends it with some
    answers that succeeded, so it is no sign of failure.
    """
    milliseconds = _number(header(headers, "retry-after-ms"))
    if milliseconds is not None and milliseconds >= 0:
        return milliseconds / 1000
    value = header(headers, "retry-after") or header(headers, "x-ratelimit-timeremaining")
    seconds = _number(value)
    if seconds is not None:
        return seconds if seconds >= 0 else None
    try:
        return max(0.0, parsedate_to_datetime(value or "").timestamp() - now)
    except (ValueError, OverflowError):
        return None


def retry_info(document: Json) -> float | None:
    """Return how many seconds Google asks to wait in an error body (`RetryInfo.retryDelay`)."""
    body = first(document) if isinstance(document, list) else mapping(document)
    for detail in items(mapping(body.get("error")).get("details")):
        delay = text(mapping(detail).get("retryDelay"))
        if delay and (seconds := _duration(delay)) is not None:
            return seconds
    return None


def _name(match: re.Match[str]) -> str:
    parts = match.groupdict()
    name = parts.get("name") or ""
    if parts.get("period"):
        name = f"{name}-{parts['period']}"
    return _NAMES.get(name) or name.replace("-", "_")


def _limit(name: str, values: dict[str, str], now: float) -> RateLimit | None:
    limit, remaining = _count(values.get("limit")), _count(values.get("remaining"))
    resets_at = _reset(values.get("reset") or values.get("timeremaining"), now)
    if limit is None and remaining is None and resets_at is None:
        return None
    return RateLimit(name, limit, remaining, resets_at)


def _count(value: str | None) -> int | None:
    # Azure's Responses say -1 where they do not know.
    number = _number(value)
    return int(number) if number is not None and 0 <= number < _NO_LIMIT else None


def _reset(value: str | None, now: float) -> float | None:
    """Return when a limit is full again, in seconds since the epoch."""
    if not value:
        return None
    readers: Iterable[Callable[[str], float | None]] = (_number, _duration)
    for reader in readers:
        seconds = reader(value)
        if seconds is not None:
            return _moment(seconds, now) if seconds >= 0 else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(seconds: float, now: float) -> float:
    if seconds >= _EPOCH_MILLISECONDS:
        return seconds / 1000
    return seconds if seconds >= _EPOCH_SECONDS else now + seconds


def _duration(value: str) -> float | None:
    """Return the seconds of a duration such as `1h5m45.6s` or `26ms`."""
    parts = _GO.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return None
    numbers = [(_number(number), _UNITS[unit]) for number, unit in parts]
    if any(number is None for number, _ in numbers):
        return None
    return sum((number or 0) * unit for number, unit in numbers)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) else None
