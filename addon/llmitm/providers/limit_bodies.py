"""Rate limits that are told in bodies and events instead of in headers.

Google's errors name the quota that was hit, OpenRouter's repeat the headers of the provider behind it, the ChatGPT
back end sends an event, and OpenAI's sockets have `rate_limits.updated`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmitm.calls import Json, RateLimit
from llmitm.providers import ratelimits
from llmitm.providers.fields import first, items, mapping, text
from llmitm.providers.limit_plans import percent
from llmitm.providers.limit_values import count, left_of, moment, number, period

CODEX_EVENT = "codex.rate_limits"
"""The type of the ChatGPT back end's event, and where its stream's document keeps the list of them."""
_PER = re.compile(r"Per(Second|Minute|Hour|Day|Month)")
_QUOTAS = {"requests": "requests", "input_token_count": "input_tokens", "tokens": "tokens"}


def read(document: Json, now: float) -> list[RateLimit]:
    """Return the limits that a response's document states; `now` is when it was received."""
    # Google puts an array around the error where the call was to stream one.
    body = first(document) if isinstance(document, list) else mapping(document)
    error = mapping(body.get("error"))
    limits = [*_quotas(error)]
    headers = mapping(mapping(error.get("metadata")).get("headers"))
    if headers:
        limits += ratelimits.read("openai", [(k, str(v)) for k, v in headers.items()], now)
    for event in items(body.get(CODEX_EVENT)):
        limits += of_codex(event, now)
    return limits


def of_codex(event: Json, now: float) -> list[RateLimit]:
    """Return the limits of an event `codex.rate_limits`.

    https://github.com/openai/codex/blob/main/codex-rs/codex-api/src/rate_limits.rs (read 2026-11-26)
    """
    body = mapping(event)
    own = text(body.get("metered_limit_name")) or text(body.get("limit_name")) or "codex"
    own = own.lower().replace("-", "_").removeprefix("codex").strip("_")
    limits = []
    for window in ("primary", "secondary"):
        told = mapping(mapping(body.get("rate_limits")).get(window))
        limit, remaining = left_of(number(told.get("used_percent")))
        if limit is None:
            continue
        minutes = count(told.get("window_minutes"))
        resets_at = moment(_either(told.get("reset_at"), told.get("reset_after_seconds")), now)
        span = period((minutes or 0) * 60) or window
        limits.append(RateLimit(percent(own), limit, remaining, resets_at, span))
    return limits


def of_realtime(told: Json, now: float) -> list[RateLimit]:
    """Return the limits of the list in an event `rate_limits.updated` of OpenAI's sockets.

    An entry has `name` (requests, tokens), `limit`, `remaining` and `reset_seconds`.
    """
    limits = []
    for entry in map(mapping, items(told)):
        if not (own := text(entry.get("name"))):
            continue
        name, span = ratelimits.named(own.lower())
        limit, remaining = count(entry.get("limit")), count(entry.get("remaining"))
        resets_at = moment(entry.get("reset_seconds"), now)
        if limit is not None or remaining is not None or resets_at is not None:
            limits.append(RateLimit(name, limit, remaining, resets_at, span))
    return limits


def _quotas(error: dict[str, Json]) -> Iterable[RateLimit]:
    """Return the quotas that a call of Google's was refused for; nothing is left of them."""
    for detail in map(mapping, items(error.get("details"))):
        for violation in map(mapping, items(detail.get("violations"))):
            metric = text(violation.get("quotaMetric"))
            if not metric:
                continue
            own = metric.rpartition("/")[2]
            name = next((name for end, name in _QUOTAS.items() if own.endswith(end)), own)
            per = _PER.search(text(violation.get("quotaId")) or "")
            span = per[1].lower() if per else None
            yield RateLimit(name, count(violation.get("quotaValue")), 0, None, span)


def _either(value: Json, other: Json) -> Json:
    return other if value is None else value
