"""How long a provider asks a refused caller to wait: in headers, in error bodies, or only in words."""

from __future__ import annotations

import re

from llmitm.calls import Headers, Json, header
from llmitm.providers.fields import first, items, mapping
from llmitm.providers.limit_values import duration, number, wait

# OpenAI and Groq "Please try again in 7m12.5s", Google "Please retry in 34.4s", Azure "Please retry after 20 seconds",
# GitHub "Please wait 60 seconds before retrying".
_WORDS = re.compile(
    r"(?:try again in|retry in|retry after|please wait) (\d[\d.]*)(?: ?(s|seconds?)\b|((?:ms|us|µs|h|m|s)[\dhms.]*))",
    re.IGNORECASE,
)


def read(headers: Headers, document: Json, message: str | None, now: float) -> float | None:
    """Return the seconds; None where nothing tells. `document` and `message` are the error's."""
    for found in (of_headers(headers, now), of_body(document, now), _of_words(message)):
        if found is not None:
            return found
    return None


def of_headers(headers: Headers, now: float) -> float | None:
    """Return the seconds that headers ask to wait.

    Read as SDKs do: `retry-after-ms`, else `retry-after` as a number, else as a date. Anthropic sends it with some
    answers that succeeded, so it is no sign of failure.
    """
    milliseconds = wait(number(header(headers, "retry-after-ms")), now)
    if milliseconds is not None:
        return milliseconds / 1000
    return wait(header(headers, "retry-after") or header(headers, "x-ratelimit-timeremaining"), now)


def of_body(document: Json, now: float) -> float | None:
    """Return the seconds that an error body asks to wait.

    Google has `RetryInfo.retryDelay`, the ChatGPT back end `resets_in_seconds`, OpenRouter the headers of the
    provider behind it.
    """
    body = first(document) if isinstance(document, list) else mapping(document)
    error = mapping(body.get("error"))
    for detail in items(error.get("details")):
        if (seconds := wait(mapping(detail).get("retryDelay"), now)) is not None:
            return seconds
    if (seconds := wait(error.get("resets_in_seconds"), now)) is not None:
        return seconds
    metadata = mapping(error.get("metadata"))
    headers = [(name, str(value)) for name, value in mapping(metadata.get("headers")).items()]
    return of_headers(headers, now)


def _of_words(message: str | None) -> float | None:
    if not message or not (match := _WORDS.search(message)):
        return None
    amount, seconds, unit = match.groups()
    return number(amount) if seconds else duration(f"{amount}{unit}".rstrip("."))
