"""Each family of headers in one form, each way to write a reset. What bodies say is in test_limit_bodies.py."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import RateLimit
from llmitm.providers import hosts, ratelimits, waits
from providers import recordings

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
        ("1e300", None),
        ("9e999", None),
        ("0001-01-01T00:00:00Z", None),
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


def test_azure_says_minus_one_where_it_does_not_know_and_tells_the_period() -> None:
    assert limits(
        "openai",
        x_ratelimit_limit_requests="-1",
        x_ratelimit_remaining_requests="-1",
        x_ratelimit_renewalperiod_requests="60",
        x_ratelimit_limit_tokens="50000",
        x_ratelimit_renewalperiod_tokens="60",
        x_ratelimit_key="gpt-5-nano",
        x_ratelimit_abusepenalty_active="False",
    ) == [RateLimit("tokens", 50_000, period="minute")]


def test_anthropic() -> None:
    assert limits(
        "anthropic",
        anthropic_ratelimit_input_tokens_limit="400000",
        anthropic_ratelimit_input_tokens_remaining="399000",
        anthropic_ratelimit_input_tokens_reset="2026-05-28T20:26:42Z",
        anthropic_ratelimit_requests_remaining="49",
        anthropic_ratelimit_output_tokens_limit="80000",
    ) == [
        RateLimit("input_tokens", 400_000, 399_000, 1_780_000_002.0, "minute"),
        RateLimit("requests", None, 49, period="minute"),
        RateLimit("output_tokens", 80_000, period="minute"),
    ]


def test_the_plan_of_claude() -> None:
    sent = {
        "status": "allowed_warning",
        "reset": "1780003600",
        "representative-claim": "five_hour",
        "fallback-percentage": "0.5",
        "5h-status": "allowed_warning",
        "5h-reset": "1780003600",
        "5h-utilization": "0.91",
        "7d-utilization": "0.126",
        "7d_opus-utilization": "1.04",
        "7d_opus-status": "rejected",
        "7d_opus-surpassed-threshold": "true",
        "overage-status": "rejected",
        "overage-disabled-reason": "out_of_credits",
    }
    headers = [(f"anthropic-ratelimit-unified-{name}", value) for name, value in sent.items()]
    wanted = [
        RateLimit("unified", None, None, 1_780_003_600.0, None, "allowed_warning"),
        RateLimit("percent", 100, 9, 1_780_003_600.0, "5 hours", "allowed_warning"),
        RateLimit("percent", 100, 87, None, "7 days"),
        RateLimit("opus_percent", 100, 0, None, "7 days", "rejected"),
        RateLimit("overage", status="rejected"),
    ]
    assert ratelimits.read("anthropic", headers, NOW) == wanted
    assert ratelimits.read(None, headers, NOW) == wanted


def test_the_plan_of_chatgpt() -> None:
    assert limits(
        "chatgpt",
        x_codex_plan_type="plus",
        x_codex_primary_used_percent="12.5",
        x_codex_primary_window_minutes="300",
        x_codex_primary_reset_after_seconds="900",
        x_codex_secondary_used_percent="80",
        x_codex_secondary_window_minutes="10080",
        x_codex_secondary_reset_at="1780086400",
        x_codex_bengalfox_primary_used_percent="0",
        x_codex_bengalfox_limit_name="gpt-codex-sonic",
        x_codex_primary_over_secondary_limit_percent="30",
        x_codex_credits_balance="0",
    ) == [
        RateLimit("percent", 100, 88, NOW + 900, "5 hours"),
        RateLimit("percent", 100, 20, 1_780_086_400.0, "7 days"),
        RateLimit("bengalfox_percent", 100, 100, None, "primary"),
    ]


def test_the_plan_of_copilot() -> None:
    reset = "rst=2026-06-01T00%3A00%3A00Z"
    headers = [
        ("x-quota-snapshot-premium_interactions", f"ent=300&ov=0.0&ovPerm=false&rem=99.6&{reset}"),
        ("x-quota-snapshot-chat", f"ent=-1&ov=0.0&ovPerm=false&rem=100.0&{reset}"),
        ("x-usage-ratelimit-session", f"ent=0&ov=0.0&ovPerm=false&rem=5.7&{reset}"),
        ("x-usage-ratelimit-weekly", "ent=0&rem=74.9&rst=..."),
        ("x-quota-snapshot-completions", "remaining=10"),
    ]
    june = 1_780_272_000.0
    assert ratelimits.read("copilot", headers, NOW) == [
        RateLimit("premium_interactions", 300, 299, june, "month"),
        RateLimit("percent", 100, 6, june, "5 hours"),
        RateLimit("percent", 100, 75, None, "7 days"),
    ]


def test_groq_counts_requests_by_the_day_and_tokens_by_the_minute() -> None:
    assert limits(
        "groq",
        x_ratelimit_limit_requests="14400",
        x_ratelimit_remaining_requests="14391",
        x_ratelimit_reset_requests="54s",
        x_ratelimit_limit_tokens="6000",
    ) == [
        RateLimit("requests", 14_400, 14_391, NOW + 54, "day"),
        RateLimit("tokens", 6_000, period="minute"),
    ]


def test_mistral_new_and_old() -> None:
    assert limits(
        "mistral",
        x_ratelimit_limit_req_minute="60",
        x_ratelimit_remaining_req_minute="59",
        x_ratelimit_limit_req_10_second="6",
        x_ratelimit_limit_tokens_month="200000000000",
        x_ratelimit_limit_ocr_pages_minute="30",
        x_ratelimit_tokens_query_cost="32",
    ) == [
        RateLimit("requests", 60, 59, period="minute"),
        RateLimit("requests", 6, period="10 seconds"),
        RateLimit("tokens", 200_000_000_000, period="month"),
        RateLimit("ocr_pages", 30, period="minute"),
    ]
    assert limits(
        "mistral",
        ratelimitbysize_limit="500000",
        ratelimitbysize_reset="29",
        ratelimitbysize_query_cost="32018",
        x_ratelimitbysize_remaining_minute="348385",
        x_ratelimitbysize_remaining_month="10",
    ) == [
        RateLimit("tokens", 500_000, 348_385, NOW + 29, "minute"),
        RateLimit("tokens", None, 10, period="month"),
    ]


def test_names_without_a_unit_are_requests() -> None:
    wanted = [RateLimit("requests", 20, 0, 1_780_000_060.0)]
    headers = {"limit": "20", "remaining": "0", "reset": "1780000060000"}
    assert limits("openai", **{f"X-RateLimit-{k}": v for k, v in headers.items()}) == wanted
    assert limits("replicate", **{f"ratelimit-{k}": v for k, v in headers.items()}) == wanted


def test_periods_out_of_names() -> None:
    assert limits(
        "openai",
        x_ratelimit_remaining_tokens_minute="59000.5",
        x_ratelimit_reset_requests_day="3.5",
        x_ratelimit_limit_minute="400",
    ) == [
        RateLimit("tokens", None, 59_000, period="minute"),
        RateLimit("requests", resets_at=NOW + 3.5, period="day"),
        RateLimit("requests", 400, period="minute"),
    ]
    assert limits(
        "sambanova", x_ratelimit_limit_requests="240", x_ratelimit_limit_requests_day="48000"
    ) == [
        RateLimit("requests", 240, period="minute"),
        RateLimit("requests", 48_000, period="day"),
    ]


def test_the_others() -> None:
    assert limits(
        "together",
        x_ratelimit="false",
        x_ratelimit_limit="30",
        x_tokenlimit_limit="2000",
        x_tokenlimit_remaining="1999",
        x_tokenlimit_limit_dynamic="4000",
    ) == [
        RateLimit("requests", 30),
        RateLimit("tokens", 2_000, 1_999),
        RateLimit("tokens_dynamic", 4_000),
    ]
    assert limits(
        "openai",
        x_ratelimit_limit_tokens_prompt="60000",
        x_ratelimit_limit_tokens_generated="6000",
        x_ratelimit_limit_tokens_cache_adjusted_prompt="30000",
    ) == [
        RateLimit("input_tokens", 60_000),
        RateLimit("output_tokens", 6_000),
        RateLimit("tokens_cache_adjusted_prompt", 30_000),
    ]
    assert limits("huggingface", x_ratelimit_remaining_tokens_day=str(2**63)) == []
    assert limits(
        "cohere",
        x_trial_endpoint_call_limit="40",
        x_trial_endpoint_call_remaining="3",
        x_endpoint_monthly_call_limit="1000",
    ) == [RateLimit("requests", 40, 3), RateLimit("requests", 1_000, period="month")]
    assert limits(
        "github", x_ratelimit_timeremaining="73192", x_ratelimit_type="UserByModelByDay"
    ) == [RateLimit("requests", resets_at=NOW + 73_192, period="day")]
    assert limits(
        "elevenlabs", current_concurrent_requests="2", maximum_concurrent_requests="5"
    ) == [RateLimit("concurrent_requests", 5, 3)]


@pytest.mark.parametrize(
    ("sent", "policy", "wanted"),
    [
        (
            '"api";r=489;t=123',
            '"fixed window";"api";q=500;w=300',
            RateLimit("api", 500, 489, NOW + 123, "5 minutes"),
        ),
        (
            '"default"; r=50; t=30',
            '"default"; q=100; w=60',
            RateLimit("requests", 100, 50, NOW + 30, "minute"),
        ),
        (
            "limit=100, remaining=50, reset=7",
            "100;w=86400",
            RateLimit("requests", 100, 50, NOW + 7, "day"),
        ),
        ('"daily";r=1', "", RateLimit("daily", None, 1)),
    ],
)
def test_structured(sent: str, policy: str, wanted: RateLimit) -> None:
    headers = [("RateLimit-Policy", policy), ("RateLimit", sent)]
    assert ratelimits.read("huggingface", headers, NOW) == [wanted]
    assert ratelimits.read(None, headers, NOW) == [wanted]


def test_a_provider_without_a_family_is_read_all_the_same() -> None:
    headers = {"anthropic_ratelimit_images_limit": "5", "x_ratelimit_limit_requests": "6"}
    assert limits(None, **headers) == [RateLimit("images", 5), RateLimit("requests", 6)]
    assert limits("unheard-of", **headers) == limits(None, **headers)
    assert limits("gemini", **headers) == []


_NAMES = st.sampled_from(
    [
        "x-ratelimit-limit-requests",
        "x-ratelimit-reset-tokens-day",
        "x-ratelimit-renewalperiod-tokens",
        "x-ratelimit-type",
        "anthropic-ratelimit-unified-5h-utilization",
        "anthropic-ratelimit-unified-7d_opus-reset",
        "x-codex-primary-used-percent",
        "x-codex-primary-window-minutes",
        "x-codex-primary-reset-at",
        "x-quota-snapshot-chat",
        "x-usage-ratelimit-weekly",
        "maximum-concurrent-requests",
        "current-concurrent-requests",
        "ratelimit-reset",
        "ratelimit",
        "ratelimit-policy",
    ]
)
_VALUES = st.one_of(
    st.text(),
    st.floats().map(str),
    st.integers().map(str),
    st.from_regex(r"ent=-?\d{1,400}&rem=-?\d{1,400}&rst=.*"),
    st.from_regex(r'("\w*";)?[rtqw]=\d{1,400};[rtqw]=\d{1,400}'),
)


@given(
    st.sampled_from([None, *ratelimits.families()]),
    st.lists(st.tuples(_NAMES, _VALUES), max_size=20),
)
def test_nothing_that_a_header_holds_raises(
    family: str | None, headers: list[tuple[str, str]]
) -> None:
    for limit in ratelimits.read(family, headers, NOW):
        assert limit.name
        for count in (limit.limit, limit.remaining):
            assert count is None or 0 <= count < 2**63
        assert limit.resets_at is None or 0 <= limit.resets_at < 1e10


def test_every_family_of_the_table_is_known() -> None:
    named = {entry.rate_limits for entry in hosts.known_providers() if entry.rate_limits}
    assert named <= {*ratelimits.families()}


_LOOKS_LIKE_A_LIMIT = re.compile(r"rate-?limit|quota|retry-after|-call-(limit|remaining)|x-codex-")
_LEFT_OUT = {
    "x-ratelimit": "Together: `false`, which says that there is none",
    "x-ratelimit-key": "Azure: the name of the deployment",
    "x-ratelimit-abusepenalty-active": "Azure: a flag",
    "x-ratelimit-tokens-query-cost": "Mistral: what the call counted, which its usage tells",
    "ratelimitbysize-query-cost": "Mistral: the same, older",
}
"""Headers of recorded answers that are knowingly not read."""
_WITH_OTHERS = {"x-ratelimit-type": "x-ratelimit-timeremaining"}
"""A header that says nothing alone, and the one it belongs to."""
_WAITS = {"retry-after", "retry-after-ms"}


@pytest.mark.skipif(not recordings.providers(), reason="no recordings beside the checkout")
def test_every_recorded_limit_is_read_or_left_out() -> None:
    unread, met = set(), set()
    for provider in recordings.providers():
        for recording in recordings.recordings(provider):
            exchange = recording.exchange()
            entry = hosts.load().find(exchange.host, exchange.port)
            family = entry.rate_limits if entry else None
            sent = {name.lower(): value for name, value in exchange.response_headers}
            for name in filter(_LOOKS_LIKE_A_LIMIT.search, sent):
                met.add(name)
                alone = {name: sent[name]}
                if name in _WITH_OTHERS:
                    alone[_WITH_OTHERS[name]] = "60"
                elif "renewalperiod" in name:
                    alone[name.replace("renewalperiod", "limit")] = "1"
                if len(sent[name]) == len(str(2**63)):
                    continue  # Hugging Face: 2^63 requests are no limit
                told = [*alone.items()]
                read = (
                    waits.of_headers(told, NOW) is not None
                    if name in _WAITS
                    else bool(ratelimits.read(family, told, NOW))
                )
                if not read:
                    unread.add(name)
    assert unread == met & set(_LEFT_OUT)
    assert len(met) > 40
