"""The headers that providers add to every answer: request ids, and how much of which limit is left.

The numbers never change: this provider limits nobody, unless asked to.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llmitm.demo.message import Reply, Request


def _openai(prefix: str = "x-ratelimit") -> dict[str, str]:
    return {
        f"{prefix}-limit-requests": "10000",
        f"{prefix}-limit-tokens": "200000",
        f"{prefix}-remaining-requests": "9999",
        f"{prefix}-remaining-tokens": "199980",
        f"{prefix}-reset-requests": "8.64s",
        f"{prefix}-reset-tokens": "6ms",
    }


LIMITS: dict[str, dict[str, str]] = {
    "api.openai.com": _openai(),
    "azure.com": _openai()
    | {
        "x-ratelimit-reset-requests": "7",
        "x-ratelimit-reset-tokens": "1",
        "x-ratelimit-renewalperiod-requests": "60",
        "x-ratelimit-renewalperiod-tokens": "60",
    },
    "api.groq.com": _openai()
    | {"x-ratelimit-reset-requests": "2m52.8s", "x-ratelimit-reset-tokens": "7.66s"},
    "api.mistral.ai": {
        "x-ratelimit-limit-req-minute": "60",
        "x-ratelimit-remaining-req-minute": "59",
        "x-ratelimit-limit-tokens-minute": "500000",
        "x-ratelimit-remaining-tokens-minute": "499980",
        "x-ratelimit-tokens-query-cost": "20",
    },
    "api.cerebras.ai": {
        "x-ratelimit-limit-requests-day": "14400",
        "x-ratelimit-remaining-requests-day": "14399",
        "x-ratelimit-reset-requests-day": "3564.3686974048615",
        "x-ratelimit-limit-tokens-minute": "60000",
        "x-ratelimit-remaining-tokens-minute": "59980",
        "x-ratelimit-reset-tokens-minute": "24.36869740486145",
    },
    "api.x.ai": {
        "x-ratelimit-limit-requests": "480",
        "x-ratelimit-remaining-requests": "479",
        "x-ratelimit-limit-tokens": "4000000",
        "x-ratelimit-remaining-tokens": "3999980",
    },
    "api.together.xyz": {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "9",
        "x-ratelimit-reset": "1",
        "retry-after": "2",
    },
    "openrouter.ai": {},
}
"""Headers by the end of the host's name; forms as in the providers' documentation of rate limits."""


def _anthropic(now: datetime) -> dict[str, str]:
    headers = {}
    reset = (now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, limit in (("requests", 4000), ("input-tokens", 400_000), ("output-tokens", 80_000)):
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(
            limit - 1000 if limit > 4000 else 3999
        )
        headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers


def complete(request: Request, reply: Reply, dialect: str, number: int, now: datetime) -> None:
    """Add a provider's headers to its reply; `number` makes the request id."""
    identifier = f"req_{number:024}"
    match dialect:
        case "anthropic":
            added = {"request-id": identifier} | _anthropic(now)
        case "bedrock":
            added = {"x-amzn-requestid": f"{number:08x}-0000-4000-8000-000000000000"}
        case "cohere":
            added = {"x-trial-endpoint-call-limit": "20", "x-trial-endpoint-call-remaining": "19"}
        case "gemini":
            added = {"server-timing": "gfet4t7; dur=12", "vary": "Origin, X-Origin, Referer"}
        case _:
            added = {"x-request-id": identifier, "openai-processing-ms": "12"}
            added |= next(
                (limits for end, limits in LIMITS.items() if request.host.endswith(end)), _openai()
            )
    if reply.status == 429:
        added |= {name: "0" for name in added if name.endswith("remaining-requests")}
    wait = reply.behaviour.retry_after
    if reply.status >= 400 and wait is not None and dialect != "gemini":
        added["retry-after"] = str(wait)
        if dialect == "openai":
            added["retry-after-ms"] = str(wait * 1000)
    reply.headers.append(("date", now.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")))
    reply.headers += added.items()
