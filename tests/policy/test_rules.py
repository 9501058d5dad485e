"""Rules: which calls they are for, and what goes before what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llmitm.policy.directives import NOTHING, CacheDirective, Directives, RetryDirective
from llmitm.policy.rules import Rules
from llmitm.settings import parse


@dataclass
class Known:
    provider: str = "openai"
    path: str = "/v1/chat/completions"
    client: str | None = "OpenAI/Python 2.1"
    model: str | None = "gpt-4o-mini"
    user: str | None = "ann"
    properties: Mapping[str, str] = field(default_factory=lambda: {"Environment": "Production"})


class Unread(Known):
    """A call whose body must not be looked at."""

    @property
    def model(self) -> str | None:  # type: ignore[override]
        raise AssertionError("the body was read")

    @model.setter
    def model(self, value: str | None) -> None:
        pass


def rules(text: str) -> Rules:
    settings = parse(Path("settings.toml"), text)
    return Rules(settings.defaults, settings.rule, {"anthropic"})


def has_cache(matcher: str) -> bool:
    return rules(f"[[rule]]\n{matcher}\ncache = true").directives([], Known()).cache is not None


@pytest.mark.parametrize(
    "matcher",
    [
        "",
        "provider = 'openai'",
        "provider = ['azure', 'openai']",
        "model = 'gpt-*'",
        "model = 'GPT-4?-mini'",
        "path = '/v1/*'",
        "user = 'a*'",
        "client = '*python*'",
        "property.environment = 'prod*'",
        "provider = 'openai'\nmodel = '*mini'\nproperty = {Environment = ['x', 'production']}",
    ],
)
def test_a_rule_matches(matcher: str) -> None:
    assert has_cache(matcher)


@pytest.mark.parametrize(
    "matcher",
    [
        "provider = 'open'",
        "model = 'gpt'",
        "path = 'v1/*'",
        "user = 'bob'",
        "property.Team = '*'",
        "provider = 'openai'\nmodel = 'o3*'",
        "provider = 'azure'\nmodel = '*'",
    ],
)
def test_a_rule_does_not_match(matcher: str) -> None:
    assert not has_cache(matcher)


def test_what_is_not_known_matches_nothing() -> None:
    found = rules("[[rule]]\nuser = '*'\ncache = true").directives([], Known(user=None))
    assert found.cache is None


def test_the_body_is_not_read_for_a_call_that_fails_another_pattern() -> None:
    made = rules("[[rule]]\nmodel = '*'\nprovider = 'azure'\ncache = true")
    assert made.directives([], Unread()) == Directives()


def test_headers_before_rules_before_defaults_switch_by_switch() -> None:
    made = rules(
        """
        [defaults]
        cache = true
        cache_max_age = "1h"
        retries = 1
        cache_seed = "all"
        [[rule]]
        model = "gpt-*"
        retry = true
        retries = 2
        retry_first_wait = "100ms"
        [[rule]]
        user = "ann"
        retries = 3
        cache_max_age = "2h"
        [[rule]]
        user = "bob"
        cache = false
        """
    )
    headers = [("Helicone-Cache-Bucket-Max-Size", "2"), ("Cache-Control", "max-age=60")]
    found = made.directives(headers, Known())
    assert found.cache == CacheDirective(max_age=60, bucket_size=2, seed="all")
    assert found.retry == RetryDirective(retries=3, first_wait=100)
    assert made.directives([], Known()).cache == CacheDirective(max_age=7200, seed="all")
    assert made.directives([], Known(user="bob")).cache is None
    assert made.directives([("helicone-cache-enabled", "true")], Known(user="bob")).cache


def test_a_switch_above_takes_the_halves_below_with_it() -> None:
    made = rules("[defaults]\ncache_read = true")
    assert made.directives([], Known()).cache == CacheDirective(save=False)
    assert made.directives([("Helicone-Cache-Enabled", "false")], Known()).cache is None
    both = made.directives([("Helicone-Cache-Enabled", "true")], Known())
    assert both.cache == CacheDirective()


def test_one_spelling_of_fallbacks_above_replaces_the_other_below() -> None:
    made = rules(
        "[[defaults.fallbacks]]\nonCodes = [500]\n[[defaults.fallbacks]]\ntarget-url = 'https://h'"
    )
    default = made.directives([], Known()).fallback
    assert default is not None
    assert default.targets[0].url == "https://h"
    found = made.directives([("Helicone-Fallback-Model", "m/anthropic")], Known()).fallback
    assert found is not None
    [target] = found.targets
    assert (target.model, target.provider, target.url) == ("m", "anthropic", None)


def test_a_call_wants_nothing_where_nobody_asks() -> None:
    made = rules("[defaults]")
    assert not made.wants([("Authorization", "x"), ("X-Stainless-Lang", "python")])
    assert made.directives([("Authorization", "helicone-")], Known()) is NOTHING
    assert made.wants([("a", "b"), ("HELICONE-Anything", "x")])
    assert made.wants([("x-LLMITM-anything", "x")])
    assert rules("[defaults]\nretry = false").wants([])
    assert rules("[[rule]]\nretry = true").wants([])
