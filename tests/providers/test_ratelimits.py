"""Each family of headers, each way to write a reset, each way to ask for patience."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import RateLimit
from llmitm.providers import hosts, ratelimits

NOW = 1_780_000_000.0


def limits(family: str | None, **headers: str) -> list[RateLimit]:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ratelimits.read(family, pairs, NOW)


@pytest.mark.parametrize(
    ("value", "resets_at"),
    [
        ("2ms", NOW + 0.002),
        ("0s", NOW),
        ("8.64s", NOW + 8.64),
        ("1m26.4s", NOW + 86.4),
        ("23h59m51.36s", NOW + 86_391.36),
        ("2025-10-14T19:38:43Z", 1_760_470_723.0),
        ("2025-10-14T21:38:43.5+02:00", 1_760_470_723.5),
        ("7", NOW + 7),
        ("3564.5", NOW + 3564.5),
        ("1780000060", 1_780_000_060.0),
        ("1780000060500", 1_780_000_060.5),
        ("-1", None),
        ("soon", None),
        ("1m soon", None),
        ("..s", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_reset(value: str, resets_at: float | None) -> None:
    (limit,) = limits("openai", x_ratelimit_limit_requests="60", x_ratelimit_reset_requests=value)
    if resets_at is None:
        assert limit.resets_at is None
    else:
        assert limit.resets_at == pytest.approx(resets_at, abs=1e-6)


def test_openai_and_its_order() -> None:
    assert limits(
        "openai",
        X_RateLimit_Remaining_Tokens="149",
        x_ratelimit_limit_requests="60",
        x_ratelimit_limit_tokens="150",
        x_ratelimit_remaining_requests="59",
        x_ratelimit_limit_project_tokens="1000",
        x_request_id="req_1",
    ) == [
        RateLimit("tokens", 150, 149),
        RateLimit("requests", 60, 59),
        RateLimit("project_tokens", 1000),
    ]


def test_azure_says_minus_one_where_it_does_not_know() -> None:
    assert limits(
        "openai",
        x_ratelimit_limit_requests="-1",
        x_ratelimit_remaining_requests="-1",
        x_ratelimit_limit_tokens="50000",
        x_ratelimit_renewalperiod_tokens="60",
    ) == [RateLimit("tokens", 50_000)]


def test_anthropic() -> None:
    assert limits(
        "anthropic",
        anthropic_ratelimit_input_tokens_limit="400000",
        anthropic_ratelimit_input_tokens_remaining="399000",
        anthropic_ratelimit_input_tokens_reset="2026-05-28T20:26:42Z",
        anthropic_ratelimit_requests_remaining="49",
        anthropic_ratelimit_unified_5h_reset="1780003600",
    ) == [
        RateLimit("input_tokens", 400_000, 399_000, 1_780_000_002.0),
        RateLimit("requests", None, 49),
        RateLimit("unified_5h", None, None, 1_780_003_600.0),
    ]


def test_mistral_new_and_old() -> None:
    assert limits(
        "mistral",
        x_ratelimit_limit_req_minute="60",
        x_ratelimit_remaining_req_minute="59",
        x_ratelimit_tokens_query_cost="32",
        ratelimitbysize_limit="500000",
        ratelimitbysize_reset="29",
        x_ratelimitbysize_remaining_month="10",
    ) == [
        RateLimit("req_minute", 60, 59),
        RateLimit("ratelimitbysize", 500_000, None, NOW + 29),
        RateLimit("ratelimitbysize_month", None, 10),
    ]


def test_names_without_a_unit_are_requests() -> None:
    wanted = [RateLimit("requests", 20, 0, 1_780_000_060.0)]
    headers = {"limit": "20", "remaining": "0", "reset": "1780000060000"}
    assert limits("openai", **{f"X-RateLimit-{k}": v for k, v in headers.items()}) == wanted
    assert limits("replicate", **{f"ratelimit-{k}": v for k, v in headers.items()}) == wanted


def test_the_others() -> None:
    assert limits("openai", x_ratelimit="false", x_ratelimit_limit_tokens="9") == [
        RateLimit("tokens", 9)
    ]
    assert limits(
        "openai",
        x_ratelimit_remaining_tokens_minute="59000.5",
        x_ratelimit_reset_requests_day="3.5",
    ) == [RateLimit("tokens_minute", None, 59_000), RateLimit("requests_day", resets_at=NOW + 3.5)]
    assert limits("huggingface", x_ratelimit_remaining_tokens_day=str(2**63)) == []
    assert limits(
        "cohere", x_trial_endpoint_call_limit="40", x_trial_endpoint_call_remaining="3"
    ) == [RateLimit("trial_endpoint_call", 40, 3)]
    assert limits("github", x_ratelimit_timeremaining="73192") == [
        RateLimit("requests", resets_at=NOW + 73_192)
    ]


def test_a_provider_without_a_family_is_read_all_the_same() -> None:
    headers = {"anthropic_ratelimit_tokens_limit": "5", "x_ratelimit_limit_requests": "6"}
    assert limits(None, **headers) == [RateLimit("tokens", 5), RateLimit("requests", 6)]
    assert limits("unheard-of", **headers) == limits(None, **headers)
    assert limits("gemini", **headers) == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "20"}, 20.0),
        ({"retry-after": "1", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Thu, 28 May 2026 20:26:50 GMT"}, 10.0),
        ({"Retry-After": "Thu, 28 May 2020 20:26:50 GMT"}, 0.0),
        ({"x-ratelimit-timeremaining": "12"}, 12.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Thu, 99 May 99999999 20:26:50 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert ratelimits.retry_after(list(headers.items()), NOW) == seconds


def test_retry_info() -> None:
    details = [
        {"@type": "x"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"},
    ]
    body = {"error": {"code": 429, "details": details}}
    assert ratelimits.retry_info(body) == 34.4
    assert ratelimits.retry_info([body]) == 34.4
    assert ratelimits.retry_info({"error": {"details": [{"retryDelay": "soon"}, None]}}) is None
    assert ratelimits.retry_info(None) is None


_NAMES = st.sampled_from(
    ["x-ratelimit-limit-requests", "x-ratelimit-reset-tokens", "ratelimit-reset", "Retry-After"]
)


@given(st.lists(st.tuples(_NAMES, st.text())), st.text())
def test_nothing_that_a_header_holds_raises(headers: list[tuple[str, str]], retry: str) -> None:
    for limit in ratelimits.read(None, headers, NOW):
        assert limit.name
    wait = ratelimits.retry_after([*headers, ("retry-after", retry)], NOW)
    assert wait is None or wait >= 0


def test_every_family_of_the_table_is_known() -> None:
    named = {entry.rate_limits for entry in hosts.known_providers() if entry.rate_limits}
    assert named <= {*ratelimits.families()}
