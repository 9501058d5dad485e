"""Control headers become directives; what is wrong with one leaves a note and its default."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import Endpoint, Exchange, Json, Prompt
from llmitm.facts import CallFacts
from llmitm.policy import asked
from llmitm.policy.directives import (
    FALLBACK_CODES,
    NOTHING,
    CacheDirective,
    Directives,
    FallbackDirective,
    FallbackTarget,
    RateLimitDirective,
    RetryDirective,
)
from llmitm.policy.rules import Rules
from llmitm.policy.switches import Switches

RULES = Rules(Switches(), (), {"openai", "anthropic", "azure"})


def facts(headers: list[tuple[str, str]]) -> CallFacts:
    exchange = Exchange(
        "id", 0, "POST", "https", "api.openai.com", 443, "/v1/chat/completions?a=b", headers, b""
    )
    return CallFacts(exchange, Endpoint("openai", "chat", "openai_chat"), lambda: Prompt("m"))


def directives(*headers: tuple[str, str]) -> Directives:
    return RULES.directives(headers, facts([*headers]))


CACHE = ("Helicone-Cache-Enabled", "true")
RETRY = ("Helicone-Retry-Enabled", "true")


@pytest.mark.parametrize(
    ("headers", "cache"),
    [
        ([CACHE], CacheDirective()),
        ([("HELICONE-CACHE-ENABLED", "True")], CacheDirective()),
        ([("helicone-cache-enabled", "false")], None),
        ([("Helicone-Cache-Read", "true")], CacheDirective(save=False)),
        ([("Helicone-Cache-Save", "true")], CacheDirective(read=False)),
        ([CACHE, ("Helicone-Cache-Read", "false")], CacheDirective(read=False)),
        ([("Helicone-Cache-Read", "false"), CACHE], CacheDirective(read=False)),
        ([CACHE, ("Cache-Control", "max-age=60")], CacheDirective(max_age=60)),
        ([CACHE, ("cache-control", "Max-Age = 60 , public")], CacheDirective(max_age=60)),
        ([CACHE, ("Cache-Control", "max-age=60, s-maxage=90")], CacheDirective(max_age=90)),
        ([CACHE, ("Cache-Control", "s-maxage=90, max-age=60")], CacheDirective(max_age=90)),
        ([CACHE, ("Cache-Control", "max-age=0")], None),
        ([CACHE, ("Cache-Control", "no-cache")], CacheDirective(read=False)),
        ([CACHE, ("Cache-Control", "no-store")], None),
        ([("Cache-Control", "no-cache"), CACHE], CacheDirective(read=False)),
        ([("Cache-Control", "max-age=60")], None),
        ([CACHE, ("Helicone-Cache-Bucket-Max-Size", "20")], CacheDirective(bucket_size=20)),
        ([CACHE, ("Helicone-Cache-Seed", "run 7")], CacheDirective(seed="run 7")),
        (
            [CACHE, ("Helicone-Cache-Ignore-Keys", "a, b.c")],
            CacheDirective(ignore_keys=("a", "b.c")),
        ),
        (
            [CACHE, ("Helicone-Cache-Ignore-Keys", '"a","b,c"')],
            CacheDirective(ignore_keys=("a", "b,c")),
        ),
        (
            [CACHE, ("Helicone-Cache-Ignore-Keys", '["a", "b"]')],
            CacheDirective(ignore_keys=("a", "b")),
        ),
    ],
)
def test_cache(headers: list[tuple[str, str]], cache: CacheDirective | None) -> None:
    assert directives(*headers) == Directives(cache=cache)


@pytest.mark.parametrize(
    ("headers", "retry"),
    [
        ([RETRY], RetryDirective()),
        ([("Helicone-Retry-Enabled", "false")], None),
        ([("Helicone-Retry-Num", "5")], None),
        ([RETRY, ("Helicone-Retry-Num", "0")], RetryDirective(retries=0)),
        (
            [RETRY, ("Helicone-Retry-Num", "5"), ("Helicone-Retry-Factor", "1.5")],
            RetryDirective(retries=5, factor=1.5),
        ),
        (
            [RETRY, ("Helicone-Retry-Min-Timeout", "250"), ("Helicone-Retry-Max-Timeout", "4000")],
            RetryDirective(first_wait=250, longest_wait=4000),
        ),
    ],
)
def test_retries(headers: list[tuple[str, str]], retry: RetryDirective | None) -> None:
    assert directives(*headers) == Directives(retry=retry)


def test_fallback_models_and_their_codes() -> None:
    both = ("Helicone-Fallback-Model", "gpt-4o-mini, claude-sonnet-4-6/Anthropic,!azure")
    codes = ((429, 429), (500, 503))
    targets = (
        FallbackTarget("gpt-4o-mini", on_codes=codes),
        FallbackTarget("claude-sonnet-4-6", "anthropic", on_codes=codes),
    )
    found = directives(both, ("Helicone-Fallback-OnCodes", "429, 500-503"))
    assert found.fallback == FallbackDirective(targets, codes, frozenset({"azure"}))
    usual = directives(both).fallback
    assert usual is not None
    assert usual.on_codes == usual.targets[0].on_codes == FALLBACK_CODES
    assert not found.notes


def test_a_slash_pins_only_where_a_provider_follows() -> None:
    found = directives(("Helicone-Fallback-Model", "meta-llama/llama-3.3-70b,a/b/openai,!openai"))
    assert found.fallback is not None
    assert found.fallback.targets == (FallbackTarget("meta-llama/llama-3.3-70b"),)


ARRAY: list[dict[str, Json]] = [
    {
        "target-url": "https://api.openai.com",
        "headers": {"Authorization": "Bearer sk-first"},
        "onCodes": [429, {"from": 500, "to": 503}],
    },
    {
        "target-url": "https://me.openai.azure.com/x/",
        "headers": {"api-key": "secret"},
        "bodyKeyOverride": {"model": "gpt-4o"},
        "onCodes": [500],
    },
    {"target-url": "https://api.anthropic.com"},
]


def test_an_array_of_targets_whose_first_is_the_call() -> None:
    found = directives(("Helicone-Fallbacks", json.dumps(ARRAY)))
    codes = ((429, 429), (500, 503))
    assert found == Directives(
        fallback=FallbackDirective(
            (
                FallbackTarget(
                    url="https://me.openai.azure.com/x",
                    headers={"api-key": "secret"},
                    body={"model": "gpt-4o"},
                    on_codes=((500, 500),),
                ),
                FallbackTarget(url="https://api.anthropic.com"),
            ),
            codes,
            primary=FallbackTarget(
                url="https://api.openai.com",
                headers={"Authorization": "Bearer sk-first"},
                on_codes=codes,
            ),
        )
    )
    plain = directives(("Helicone-Fallbacks", json.dumps([{"onCodes": [500]}, ARRAY[2]])))
    assert plain.fallback is not None
    assert plain.fallback.primary is None


def test_of_two_spellings_the_array_holds() -> None:
    found = directives(
        ("Helicone-Fallbacks", json.dumps(ARRAY)), ("Helicone-Fallback-Model", "gpt-4o-mini")
    )
    assert found.fallback is not None
    assert len(found.fallback.targets) == 2
    assert found.notes == ("Helicone-Fallback-Model has no effect beside Helicone-Fallbacks",)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1000;w=3600", RateLimitDirective(Decimal(1000), 3600)),
        ("0.5;w=60;u=cents;s=user", RateLimitDirective(Decimal("0.5"), 60, "cents", "user")),
        (" s=Team ; u=Token;w=60; 7 ", RateLimitDirective(Decimal(7), 60, "token", "Team")),
    ],
)
def test_a_rate_limit(text: str, limit: RateLimitDirective) -> None:
    found = directives(("Helicone-RateLimit-Policy", text)).rate_limit
    assert found is not None
    assert (found.quota, found.window, found.unit, found.segment) == (
        limit.quota,
        limit.window,
        limit.unit,
        limit.segment,
    )
    assert found.text == text.strip()


def test_routing() -> None:
    found = directives(
        ("Helicone-Target-URL", "https://api.groq.com/openai/"),
        ("Helicone-OpenAI-Api-Base", "https://example.com"),
        ("Helicone-Stream-Usage", "true"),
    )
    assert found == Directives(target_url="https://api.groq.com/openai", stream_usage=True)
    assert directives(("Helicone-OpenAI-Api-Base", "http://h:1")).target_url == "http://h:1"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Helicone-Cache-Enabled", "yes", "'yes' has no effect: allowed is true or false"),
        ("Helicone-Cache-Bucket-Max-Size", "21", "allowed is a whole number from 1 to 20"),
        ("Helicone-Cache-Bucket-Max-Size", "0", "allowed is a whole number from 1 to 20"),
        ("Helicone-Cache-Bucket-Max-Size", "²", "allowed is a whole number from 1 to 20"),
        ("Cache-Control", "max-age=99999999", "allowed is a max-age up to 31536000 seconds"),
        ("Helicone-Cache-Ignore-Keys", "[1]", "allowed is keys of the body"),
        ("Helicone-Cache-Ignore-Keys", ",", "allowed is keys of the body"),
        ("Helicone-Retry-Num", "-1", "allowed is a whole number from 0 to 20"),
        ("Helicone-Retry-Factor", "nan", "allowed is a number from 1 to 10"),
        ("Helicone-Retry-Min-Timeout", "1s", "allowed is a number from 0 to 3.6e+06"),
        ("Helicone-Fallback-Model", " , ", "allowed is a comma list of names"),
        ("Helicone-Fallback-OnCodes", "4xx", "allowed is statuses from 100 to 599"),
        ("Helicone-Fallback-OnCodes", "503-500", "allowed is statuses from 100 to 599"),
        ("Helicone-RateLimit-Policy", "10", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-RateLimit-Policy", "10;w=59", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-RateLimit-Policy", "0;w=60", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-RateLimit-Policy", "NaN;w=60", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-RateLimit-Policy", "1;w=60;w=70", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-RateLimit-Policy", "1;w=60;x=7", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-RateLimit-Policy", "1;w=60;u=litre", "allowed is QUOTA;w=SECONDS"),
        ("Helicone-Target-URL", "api.openai.com", "allowed is https://host"),
        ("Helicone-Target-URL", "ftp://h", "allowed is https://host"),
        ("Helicone-Target-URL", "https://[", "allowed is https://host"),
        ("Helicone-Stream-Usage", "1", "allowed is true or false"),
    ],
)
def test_a_wrong_value_has_no_effect_but_a_note(name: str, value: str, said: str) -> None:
    found = directives((name, value), CACHE, RETRY, ("Helicone-Fallback-Model", "other"))
    [note] = found.notes
    assert note.startswith(f"{name} {value!r}")
    assert said in note
    clean = [CACHE, RETRY, ("Helicone-Fallback-Model", "other")]
    if name == "Helicone-Cache-Enabled":
        clean.remove(CACHE)
        assert found.cache is None or found.cache == CacheDirective()
    if name == "Helicone-Fallback-Model":
        return
    expected = directives(*clean)
    assert (found.retry, found.fallback, found.rate_limit) == (
        expected.retry,
        expected.fallback,
        None,
    )
    assert found.target_url is None
    assert not found.stream_usage


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ("{}", "a list of 1 to 20 targets"),
        ("[]", "a list of 1 to 20 targets"),
        ("[", "a list of 1 to 20 targets"),
        ("[1]", "in entry 1 only target-url"),
        ('[{}, {"url": "x"}]', "in entry 2 only target-url"),
        ('[{"headers": {"a": "b\\nc"}}]', "in entry 1 as headers names with texts of one line"),
        ('[{"headers": {"a:b": "c"}}]', "in entry 1 as headers names with texts of one line"),
        ('[{"headers": {"": "c"}}]', "in entry 1 as headers names with texts of one line"),
        ('[{"headers": ["sk-1"]}]', "in entry 1 as headers names with texts of one line"),
        ('[{"bodyKeyOverride": 1}]', "in entry 1 as bodyKeyOverride keys with values"),
        ('[{"target-url": 1}]', "in entry 1 as target-url a text"),
        ('[{}, {"target-url": "sk-1"}]', "in entry 2 https://host"),
        ('[{"onCodes": 429}]', "in entry 1 a list of statuses"),
        ('[{"onCodes": [true]}]', "in entry 1 statuses from 100"),
    ],
)
def test_what_is_wrong_in_an_array_is_told_without_its_values(array: str, said: str) -> None:
    found = directives(("Helicone-Fallbacks", array))
    assert found.fallback is None
    assert [*found.notes] == [
        f"Helicone-Fallbacks has no effect: allowed is {found.notes[0].partition('allowed is ')[2]}"
    ]
    assert said in found.notes[0]
    assert "sk-1" not in found.notes[0]


@pytest.mark.parametrize(
    "value", ["sk-1", "https://me:secret@h", "A" * 30, "Bearer x", "https://h/?key=" + "k" * 24]
)
def test_a_note_shows_nothing_like_a_key(value: str) -> None:
    [note] = directives(("Helicone-Target-URL", value)).notes
    assert note.startswith("Helicone-Target-URL has no effect")
    assert value not in note


def test_a_long_value_is_shortened() -> None:
    [note] = directives(("Helicone-Retry-Num", "7 " * 500)).notes
    assert len(note) < 200


def test_of_a_header_that_comes_twice_the_last_holds() -> None:
    assert directives(CACHE, ("helicone-cache-enabled", "false")).cache is None


def test_without_control_headers_there_is_nothing() -> None:
    assert (
        directives(("Cache-Control", "max-age=60"), ("X-Helicone-Cache-Enabled", "true")) is NOTHING
    )


@given(st.sampled_from((*asked.NAMES, "Cache-Control")), st.text(max_size=60))
def test_no_value_breaks_anything(name: str, value: str) -> None:
    found = directives((name, value), CACHE)
    assert all("\n" not in note for note in found.notes)
    if found.rate_limit is not None:
        assert found.rate_limit.quota > 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["target-url", "headers", "onCodes", "bodyKeyOverride", "from", "to"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_array_breaks_anything(value: Json) -> None:
    found = directives(("Helicone-Fallbacks", json.dumps(value)))
    assert (found.fallback is None) == bool(found.notes)


@pytest.mark.parametrize(
    ("text", "priority"),
    [("high", 10), (" Normal ", 0), ("LOW", -10), ("100", 100), ("-100", -100), ("+7", 7)],
)
def test_how_urgent_a_call_is(text: str, priority: int) -> None:
    assert directives(("X-LLMITM-Priority", text)) == Directives(priority=priority)


@pytest.mark.parametrize("text", ["", "urgent", "101", "-101", "1.5", "١", "1e1", "9" * 50])
def test_what_is_no_priority_has_no_effect(text: str) -> None:
    found = directives(("X-llmitm-Priority", text))
    assert found.priority == 0
    (note,) = found.notes
    assert "allowed is high, normal, low, or a whole number from -100 to 100" in note
