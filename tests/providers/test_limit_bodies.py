"""Rate limits in bodies and events, and each way to ask for patience."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import RateLimit
from llmitm.providers import limit_bodies, waits
from providers.odd import ODD, TEXT, shape, some

NOW = 1_780_000_000.0
GOOGLE = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in 34.4s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {
                        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                        "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
                        "quotaDimensions": {"model": "gemini-2.5-flash", "location": "global"},
                        "quotaValue": "250",
                    },
                    {
                        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_input_token_count",
                        "quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier",
                        "quotaValue": "250000",
                    },
                    {"quotaMetric": "aiplatform.googleapis.com/own_count"},
                    {"subject": "project:1"},
                ],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"},
        ],
    }
}
OPENROUTER = {
    "error": {
        "code": 429,
        "message": "Rate limit exceeded: free-models-per-min.",
        "metadata": {
            "headers": {
                "X-RateLimit-Limit": "20",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "1780000060000",
            }
        },
    }
}
CODEX = {
    "type": "codex.rate_limits",
    "plan_type": "plus",
    "rate_limits": {
        "primary": {"used_percent": 42.4, "window_minutes": 300, "reset_at": 1_780_003_600},
        "secondary": {"used_percent": 5, "window_minutes": 10_080, "reset_after_seconds": 60},
    },
}


@pytest.mark.parametrize("body", [GOOGLE, [GOOGLE]])
def test_the_quotas_of_google(body: Any) -> None:
    assert limit_bodies.read(body, NOW) == [
        RateLimit("requests", 250, 0, period="day"),
        RateLimit("input_tokens", 250_000, 0, period="minute"),
        RateLimit("own_count", None, 0),
    ]
    assert waits.of_body(body, NOW) == 34.4


def test_openrouter_repeats_the_headers_of_the_provider_behind_it() -> None:
    assert limit_bodies.read(OPENROUTER, NOW) == [RateLimit("requests", 20, 0, NOW + 60)]


def test_the_event_of_the_chatgpt_back_end() -> None:
    assert limit_bodies.of_codex(CODEX, NOW) == [
        RateLimit("percent", 100, 58, NOW + 3_600, "5 hours"),
        RateLimit("percent", 100, 95, NOW + 60, "7 days"),
    ]
    other = {
        "metered_limit_name": "codex_bengalfox",
        "rate_limits": {"primary": {"used_percent": 1}},
    }
    assert limit_bodies.of_codex(other, NOW) == [
        RateLimit("bengalfox_percent", 100, 99, None, "primary")
    ]


def test_the_event_of_openais_sockets() -> None:
    told = [
        {"name": "requests", "limit": 1_000, "remaining": 999, "reset_seconds": 60},
        {"name": "tokens", "limit": 50_000, "remaining": 49_950, "reset_seconds": 0.5},
        {"name": "input-tokens", "limit": None, "remaining": None, "reset_seconds": None},
        "odd",
    ]
    assert limit_bodies.of_realtime(told, NOW) == [
        RateLimit("requests", 1_000, 999, NOW + 60),
        RateLimit("tokens", 50_000, 49_950, NOW + 0.5),
    ]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "1", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "1", "retry-after-ms": "soon"}, 1.0),
        ({"Retry-After": "Thu, 28 May 2026 20:26:50 GMT"}, 10.0),
        ({"Retry-After": "Thu, 28 May 2020 20:26:50 GMT"}, 0.0),
        ({"x-ratelimit-timeremaining": "12"}, 12.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Thu, 99 May 99999999 20:26:50 GMT"}, None),
        ({}, None),
    ],
)
def test_headers_ask_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert waits.of_headers(list(headers.items()), NOW) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"details": [{"retryDelay": "soon"}, None]}}, None),
        ({"error": {"type": "usage_limit_reached", "resets_in_seconds": 3_600}}, 3_600.0),
        ({"error": {"metadata": {"headers": {"Retry-After": 7}}}}, 7.0),
        (None, None),
    ],
)
def test_bodies_ask_to_wait(body: Any, seconds: float | None) -> None:
    assert waits.of_body(body, NOW) == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (
            "Rate limit reached on requests per min. Limit: 3, Used: 3. Please try again in 20s.",
            20.0,
        ),
        ("Rate limit reached on tokens per day. Please try again in 7m12.5s. Need more?", 432.5),
        ("Rate limit reached. Please try again in 340ms. Visit", 0.34),
        ("You exceeded your current quota.\nPlease retry in 34.4s.", 34.4),
        ("Please retry after 20 seconds. Please go here", 20.0),
        ("Please retry after 1 second.", 1.0),
        ("Please wait 73192 seconds before retrying.", 73_192.0),
        ("You can try again in 3 days", None),
        ("try again in 1.2.3s", None),
        ("You exceeded your current quota, please check your plan", None),
        ("", None),
        (None, None),
    ],
)
def test_words_ask_to_wait(message: str | None, seconds: float | None) -> None:
    assert waits.read((), None, message, NOW) == seconds


def test_headers_come_before_bodies_and_bodies_before_words() -> None:
    words = "Please try again in 9s."
    assert waits.read([("retry-after", "5")], GOOGLE, words, NOW) == 5
    assert waits.read((), GOOGLE, words, NOW) == 34.4


_WINDOW = shape(used_percent=st.floats(), window_minutes=st.integers(), reset_at=st.integers())
_BODIES = st.one_of(
    ODD,
    shape(
        details=some(
            shape(
                retryDelay=TEXT,
                violations=some(shape(quotaMetric=TEXT, quotaId=TEXT, quotaValue=TEXT)),
            )
        ),
        metadata=shape(headers=st.dictionaries(st.just("X-RateLimit-Reset"), TEXT)),
        resets_in_seconds=st.floats(),
    ),
    shape(rate_limits=shape(primary=_WINDOW, secondary=_WINDOW), metered_limit_name=TEXT),
    some(shape(name=TEXT, limit=st.integers(), remaining=st.floats(), reset_seconds=st.floats())),
)


@given(_BODIES, st.text(), st.text())
def test_nothing_raises(document: Any, header: str, message: str) -> None:
    for body in (document, {"error": document}, {"codex.rate_limits": [document]}):
        for limit in limit_bodies.read(body, NOW):
            assert limit.name
        for headers in ([("retry-after", header)], [("retry-after-ms", header)]):
            wait = waits.read(headers, body, f"try again in {message}", NOW)
            assert wait is None or 0 <= wait < 1e10
    limit_bodies.of_realtime(document, NOW)
