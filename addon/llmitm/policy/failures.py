"""What became of an attempt that failed, whether it is worth another one, and whether a fallback is to be tried.

Worth it is what may pass by itself. A quota that is used up, a bill that is not paid and a request that is wrong do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from llmitm.calls import Headers, Json, header
from llmitm.providers import error_bodies, waits
from llmitm.providers.fields import filled, first, items, mapping

Kind = Literal["status", "connection", "tls", "reset", "stream"]
"""`status`: an answer that says that it failed. `connection` and `tls`: nobody was reached. `reset`: the connection
ended before there was an answer. `stream`: a stream ended, or told of an error, before its first content.
"""

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504, 522, 524, 529})
_CONFLICT = 409
_LOCKS = frozenset({"openai", "azure", "anthropic"})
"""Who answers 409 where it could not get a lock in time; their SDKs try such a call again.
https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py (read 2026-11-26)
"""
_LOCK_WORDS = re.compile(r"\block|time[ -]?out|timed out|try again|retry", re.IGNORECASE)
_TYPES: dict[str, int] = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limited": 429,
    "too_many_requests": 429,
    "throttlingexception": 429,
    "resource_exhausted": 429,
    "modelnotreadyexception": 429,
    "requests": 429,
    "tokens": 429,
    "overloaded_error": 529,
    "overloaded": 529,
    "engine_overloaded_error": 503,
    "engine_overloaded": 503,
    "slow_down": 503,
    "unavailable": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "serviceunavailableexception": 503,
    "api_error": 500,
    "server_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "internal": 500,
    "internalserverexception": 500,
    "modelstreamerrorexception": 500,
    "aborted": 500,
    "timeout": 504,
    "timeout_error": 504,
    "request_timeout": 408,
    "deadline_exceeded": 504,
    "modeltimeoutexception": 408,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "validationexception": 400,
    "authentication_error": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "accessdeniedexception": 403,
    "not_found_error": 404,
    "not_found": 404,
    "resourcenotfoundexception": 404,
    "request_too_large": 413,
}
"""The status that an error has as an answer of its own, by its type in lower case: a stream has begun with 200."""
_USED_UP = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "account_deactivated",
        "access_terminated",
        "exceeded_current_quota_error",
        "insufficient_balance",
        "insufficient_credits",
        "quota_exceeded",
        "usage_limit_reached",
        "usage_not_included",
        "servicequotaexceededexception",
    }
)
_USED_UP_WORDS = re.compile(
    r"credit balance is too low|insufficient (?:balance|credits|funds|quota)"
    r"|(?:billing|spend(?:ing)?|monthly|daily) (?:hard )?limit (?:has been )?reached"
    r"|too many tokens per day|used all available credits",
    re.IGNORECASE,
)
_GOOGLE_QUOTA = "google.rpc.QuotaFailure"


class Verdict(NamedTuple):
    """Whether something is to be done, and why or why not."""

    yes: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What became of an attempt."""

    kind: Kind
    provider: str
    dialect: str | None = None
    status: int | None = None
    headers: Headers = ()
    document: Json = None
    """The error body, or the stream as far as it came with its error under `error`."""
    error_type: str | None = None
    error_message: str | None = None


def failed_answer(
    kind: Literal["status", "stream"],
    provider: str,
    dialect: str | None,
    status: int,
    headers: Headers,
    document: Json,
) -> Failure:
    """Return the failure that an answer tells of, with its error read."""
    error = error_bodies.read(document, status)
    named = (header(headers, "x-amzn-errortype") or "").partition(":")[0]
    kept = named or error.type
    return Failure(kind, provider, dialect, status, headers, document, kept, error.message)


def hint(failure: Failure, now: float) -> float | None:
    """Return how many seconds the provider asks to wait; None where it does not."""
    return waits.read(failure.headers, failure.document, failure.error_message, now)


def is_worth_retrying(failure: Failure) -> Verdict:
    """Tell whether the same call may well succeed when it is made again."""
    if failure.kind in ("connection", "tls", "reset"):
        return Verdict(True, _NOBODY[failure.kind])
    if used_up := _used_up(failure):
        return Verdict(False, f"{used_up}: waiting does not help")
    if failure.kind == "stream":
        return _of_stream(failure)
    told = (header(failure.headers, "x-should-retry") or "").strip().lower()
    if told in ("true", "false"):
        return Verdict(told == "true", f"x-should-retry: {told}")
    reason = f"status {failure.status}"
    if failure.status == _CONFLICT:
        return Verdict(_is_lock(failure), reason)
    return Verdict(failure.status in _TRANSIENT, reason)


def matches(codes: Sequence[tuple[int, int]], failure: Failure) -> bool:
    """Tell whether a failure is one at which a fallback is tried; it is whenever no answer was got at all."""
    status = status_of(failure)
    return status is None or any(low <= status <= high for low, high in codes)


def status_of(failure: Failure) -> int | None:
    """Return the status of a failure, of a stream that of its error; None where there was no answer."""
    if failure.kind == "status":
        return failure.status
    if failure.kind != "stream":
        return None
    names = list(_names(failure))
    known = next((_TYPES[name] for name in names if name in _TYPES), None)
    if known is None:
        known = next((int(name) for name in names if re.fullmatch("[45][0-9]{2}", name)), None)
    return 429 if known is None and any(name in _USED_UP for name in names) else known


_NOBODY = {
    "connection": "no connection",
    "tls": "no TLS connection",
    "reset": "the connection ended before an answer",
}


def _of_stream(failure: Failure) -> Verdict:
    names = list(_names(failure))
    if not names and failure.error_message is None:
        return Verdict(True, "the stream ended before its content")
    status = status_of(failure)
    return Verdict(status in _TRANSIENT, f"error {names[0] if names else 'of no known type'}")


def _is_lock(failure: Failure) -> bool:
    words = failure.error_message
    return failure.provider in _LOCKS and (words is None or bool(_LOCK_WORDS.search(words)))


def _used_up(failure: Failure) -> str | None:
    """Return what says that a quota is used up or a bill is open."""
    for name in _names(failure):
        if name in _USED_UP:
            return name
    if match := _USED_UP_WORDS.search(failure.error_message or ""):
        return match[0].lower()
    return _used_up_at_google(_error(failure.document))


def _used_up_at_google(error: dict[str, Json]) -> str | None:
    """Return which quota is gone for today. Google's words are the same for that of a minute.

    https://ai.google.dev/gemini-api/docs/rate-limits (read 2026-11-26)
    """
    details = [mapping(detail) for detail in items(error.get("details"))]
    failed = [each for each in details if _GOOGLE_QUOTA in (filled(each.get("@type")) or "")]
    violations = [mapping(each) for detail in failed for each in items(detail.get("violations"))]
    for violation in violations:
        name = filled(violation.get("quotaId")) or filled(violation.get("quotaMetric")) or "quota"
        if "perday" in name.lower() or violation.get("quotaValue") == "0":
            return name
    if failed and not any("retryDelay" in detail for detail in details):
        return "a quota without a time to wait"
    return None


def _names(failure: Failure) -> Iterator[str]:
    """Return what the error is called, in lower case: OpenAI has the more exact word as its code."""
    error = _error(failure.document)
    found: Iterable[Json] = (
        failure.error_type,
        *(error.get(name) for name in ("code", "type", "status")),
    )
    for value in found:
        if value is not None and isinstance(value, str | int):
            yield str(value).lower()


def _error(document: Json) -> dict[str, Json]:
    body = first(document) if isinstance(document, list) else mapping(document)
    return mapping(body.get("error")) or mapping(mapping(body.get("response")).get("error"))
