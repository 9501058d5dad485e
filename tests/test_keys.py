"""Whose key a call gets."""

from __future__ import annotations

import pytest

from llmitm.keys import Keys, KeySource, is_placeholder, key_header, keys_sent, variables
from llmitm.providers.hosts import ProviderEntry, load

HOSTS = load()
OPENAI = "sk-proj-0123456789abcdefghij"
OLDER_OPENAI = "sk-0123456789T3BlbkFJabcdef"
SOME = "sk-0123456789abcdefghij"
ANTHROPIC = "sk-ant-api03-0123456789abcdef"


def entry(name: str) -> ProviderEntry:
    found = HOSTS.provider(name)
    assert found is not None
    return found


def chosen(provider: str, *sent: str, **environ: str) -> str | None:
    return Keys({}, environ).choose(entry(provider), sent)


@pytest.mark.parametrize("name", ["openai", "deepseek", "scx-ai"])
def test_the_usual_variable(name: str) -> None:
    [variable] = variables(entry(name))
    assert variable == name.upper().replace("-", "_") + "_API_KEY"
    assert chosen(name, **{variable: " key-of-the-environment-1 "}) == "key-of-the-environment-1"
    assert chosen(name, **{variable: " "}) is None


def test_settings_go_before_the_environment() -> None:
    environ = {"OPENAI_API_KEY": "of the environment", "OTHER": "of the other"}
    keys = Keys({"openai": KeySource("of the settings"), "groq": KeySource(env="OTHER")}, environ)
    assert keys.configured(entry("openai")) == "of the settings"
    assert keys.configured(entry("groq")) == "of the other"
    assert Keys({"openai": KeySource(env="GONE")}, environ).configured(entry("openai")) == (
        "of the environment"
    )


@pytest.mark.parametrize("placeholder", ["", "x", "dummy", "sk-none", "not-needed-at-all-here", "sk-helicone-abcd123-efgh456", "pk-helicone-1-2-3-4-5", "sk-eu-helicone-0123456789"])  # fmt: skip
def test_what_is_no_key(placeholder: str) -> None:
    assert is_placeholder(placeholder)
    assert chosen("openai", placeholder) is None
    assert chosen("openai", placeholder, OPENAI_API_KEY="ours") == "ours"


def test_the_apps_own_key_is_used_where_it_looks_like_the_providers() -> None:
    ours = {"OPENAI_API_KEY": "ours", "ANTHROPIC_API_KEY": "ours", "MISTRAL_API_KEY": "ours"}
    for provider, key in (("openai", OPENAI), ("openai", SOME), ("anthropic", ANTHROPIC)):
        assert chosen(provider, key, **ours) == key
    for provider, key in (("mistral", OPENAI), ("openai", ANTHROPIC), ("mistral", SOME)):
        assert chosen(provider, key, **ours) == "ours"


def test_a_key_that_is_somebody_elses_is_never_sent() -> None:
    for provider, key in (("deepseek", OPENAI), ("deepseek", OLDER_OPENAI), ("openai", ANTHROPIC)):
        assert chosen(provider, key) is None
    assert chosen("deepseek", SOME) == SOME  # may well be DeepSeek's
    assert chosen("mistral", "0123456789abcdef0123456789abcdef") is not None


def test_availability() -> None:
    keys = Keys({}, {"GROQ_API_KEY": "gsk"})
    assert keys.available(entry("groq"))
    assert not keys.available(entry("openai"))
    assert keys.available(entry("openai"), [OPENAI])
    assert not keys.available(entry("deepseek"), [SOME])
    assert not keys.are_needed(entry("ollama"))
    assert not keys.are_needed(ProviderEntry(name="mine", hosts=("llm.example.com",)))
    assert keys.are_needed(entry("openai"))
    assert "OPENAI_API_KEY" in keys.how_to_give(entry("openai"))
    assert "[keys]" in keys.how_to_give(entry("openai"))


def test_keys_of_a_request() -> None:
    headers = [
        ("Authorization", "Bearer sk-helicone-1, sk-proj-2"),
        ("X-Api-Key", "three"),
        ("Helicone-Auth", "Bearer sk-helicone-4"),
    ]
    assert keys_sent(headers) == ["sk-helicone-1", "sk-proj-2", "three"]


@pytest.mark.parametrize(
    ("provider", "dialect", "key", "header"),
    [
        ("openai", "openai_chat", "k", ("authorization", "Bearer k")),
        ("anthropic", "openai_chat", "k", ("authorization", "Bearer k")),
        ("anthropic", "anthropic_messages", "k", ("x-api-key", "k")),
        ("anthropic", "anthropic_messages", "sk-ant-oat01-k", ("authorization", "Bearer sk-ant-oat01-k")),
        ("openrouter", "anthropic_messages", "k", ("authorization", "Bearer k")),
        ("gemini", "gemini", "k", ("x-goog-api-key", "k")),
        ("gemini", "openai_chat", "k", ("authorization", "Bearer k")),
        ("azure", "openai_chat", "k", ("api-key", "k")),
        ("bedrock", "bedrock_converse", "k", ("authorization", "Bearer k")),
    ],
)  # fmt: skip
def test_where_a_key_stands(provider: str, dialect: str, key: str, header: tuple[str, str]) -> None:
    assert key_header(entry(provider), dialect, key) == header


def test_a_key_of_the_settings_is_not_shown() -> None:
    assert "secret" not in repr(KeySource("secret"))
