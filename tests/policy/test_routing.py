"""Which provider a model's name leads to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.policy.routing import Available, Route, Routing, Unknown, asked_for, spoken
from llmitm.providers.hosts import ProviderEntry, known_providers, load
from llmitm.served import ServedModels

ROUTING = Routing(load(), ServedModels.read())
NAMES = [entry.name for entry in known_providers()]


def only(*names: str) -> Available:
    return lambda entry: entry.name in names


def led(model: str, *with_keys: str, client: str = "openai_chat") -> tuple[str, str, str]:
    """Return provider, model and address that a name leads to."""
    route = ROUTING.resolve(model, available=only(*with_keys), client=client)
    assert isinstance(route, Route), route
    path = "/v1/messages" if route.dialect == "anthropic_messages" else "/v1/chat/completions"
    return route.entry.name, route.model, route.origin.host + route.path(path)


@pytest.mark.parametrize(
    ("model", "provider", "name", "address"),
    [
        ("gpt-4o-mini", "openai", "gpt-4o-mini", "api.openai.com/v1/chat/completions"),
        ("o3", "openai", "o3", "api.openai.com/v1/chat/completions"),
        ("gpt-99-not-in-any-table", "openai", "gpt-99-not-in-any-table", "api.openai.com/v1/chat/completions"),
        ("claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6", "api.anthropic.com/v1/chat/completions"),
        ("gemini-2.5-pro", "gemini", "gemini-2.5-pro", "generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        ("llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile", "api.groq.com/openai/v1/chat/completions"),
        ("sonar", "perplexity", "sonar", "api.perplexity.ai/chat/completions"),
        ("command-r-plus", "cohere", "command-r-plus", "api.cohere.com/compatibility/v1/chat/completions"),
        ("glm-4.6", "zai", "glm-4.6", "api.z.ai/api/paas/v4/chat/completions"),
        ("GPT-4o", "openai", "GPT-4o", "api.openai.com/v1/chat/completions"),
    ],
)  # fmt: skip
def test_a_model_goes_to_who_makes_or_serves_it(
    model: str, provider: str, name: str, address: str
) -> None:
    assert led(model, *NAMES) == (provider, name, address)


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("gpt-4o-mini/openai", "openai", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("google/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
        ("openrouter/anthropic/claude-3.5-sonnet", "openrouter", "anthropic/claude-3.5-sonnet"),
        ("anthropic/claude-3.5-sonnet/openrouter", "openrouter", "anthropic/claude-3.5-sonnet"),
        ("groq/whatever-is-new", "groq", "whatever-is-new"),
        ("ollama/llama3.2", "ollama", "llama3.2"),
        ("x-ai/grok-4", "xai", "grok-4"),
    ],
)
def test_a_name_may_pin_its_provider(model: str, provider: str, name: str) -> None:
    assert led(model, *NAMES)[:2] == (provider, name)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("claude-4.5-sonnet", "claude-sonnet-4-5"),
        ("claude-4.5-haiku", "claude-haiku-4-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-opus-4-1", "claude-opus-4-1"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
    ],
)
def test_claude_is_spelled_as_its_maker_does(written: str, meant: str) -> None:
    assert led(written, *NAMES)[:2] == ("anthropic", meant)


def test_the_maker_goes_first_then_who_has_a_key() -> None:
    assert led("grok-4", "xai", "github_models")[0] == "xai"
    assert led("grok-4", "github_models")[0] == "github_models"
    assert led("grok-4")[0] == "xai"  # nobody has a key: the refusal names the maker's
    assert led("gpt-oss-120b", "openai", "cerebras")[0] == "cerebras"  # OpenAI does not serve it


def test_a_reseller_serves_what_has_its_makers_name() -> None:
    assert led("anthropic/claude-sonnet-4.5", "openrouter")[:2] == (
        "openrouter",
        "anthropic/claude-sonnet-4.5",
    )
    assert led("anthropic/claude-sonnet-4.5", "openrouter", "anthropic")[0] == "anthropic"


def test_excluded_providers_are_not_used() -> None:
    every = only(*NAMES)
    route = ROUTING.resolve("grok-4", excluded=frozenset({"x-ai"}), available=every)
    assert isinstance(route, Route)
    assert route.entry.name != "xai"
    pinned = ROUTING.resolve("grok-4/xai", excluded=frozenset({"xai"}), available=every)
    assert isinstance(pinned, Unknown)
    assert pinned.reason == "xai is excluded"


def test_an_unknown_model_has_near_names() -> None:
    unknown = ROUTING.resolve("gtp-4o-mini", available=only("openai"))
    assert isinstance(unknown, Unknown)
    assert "gpt-4o-mini" in unknown.near()
    nowhere = ROUTING.resolve("gpt-4o", "nobody")
    assert isinstance(nowhere, Unknown)
    assert nowhere.reason == "no provider is 'nobody'"


def test_a_pin_to_who_needs_more_than_a_name() -> None:
    unknown = ROUTING.resolve("gpt-4o/azure", available=only("azure"))
    assert isinstance(unknown, Unknown)
    assert unknown.reason is not None
    assert "needs an address of your own" in unknown.reason
    own = Routing(
        load([ProviderEntry(name="azure", hosts=("my.openai.azure.com",))]), ServedModels.read()
    )
    route = own.resolve("gpt-4o/azure")
    assert isinstance(route, Route)
    assert route.origin.host + route.path("/v1/chat/completions") == (
        "my.openai.azure.com/openai/v1/chat/completions"
    )


def test_the_users_own_names() -> None:
    own = {"claude-*haiku*": "groq/llama-3.3-70b-versatile", "fast": "gpt-4o-mini"}
    routing = Routing(load(), ServedModels.read(), own)
    for asked, provider, model in (
        ("claude-haiku-4-5-20251001", "groq", "llama-3.3-70b-versatile"),
        ("FAST", "openai", "gpt-4o-mini"),
    ):
        route = routing.resolve(asked)
        assert isinstance(route, Route)
        assert (route.entry.name, route.model) == (provider, model)
    anthropic = routing.provider("anthropic")
    assert anthropic is not None
    assert not routing.leaves(anthropic, "claude-sonnet-4-6")
    assert routing.leaves(anthropic, "claude-haiku-4-5-20251001")
    assert routing.leaves(anthropic, "gpt-4o")
    assert not routing.leaves(anthropic, "nobody-has-this")


@pytest.mark.parametrize(
    ("provider", "client", "dialect"),
    [
        ("openai", "openai_chat", "openai_chat"),
        ("openai", "openai_responses", "openai_responses"),
        ("openai", "anthropic_messages", "openai_chat"),
        ("openai", "openai_embeddings", "openai_embeddings"),
        ("anthropic", "openai_chat", "openai_chat"),
        ("anthropic", "openai_responses", "anthropic_messages"),
        ("anthropic", "anthropic_messages", "anthropic_messages"),
        ("deepseek", "anthropic_messages", "anthropic_messages"),
        ("deepseek", "openai_responses", "openai_chat"),
        ("gemini", "anthropic_messages", "openai_chat"),
        ("bedrock", "openai_chat", "bedrock_converse"),
        ("bedrock", "anthropic_messages", "bedrock_converse"),
        ("bedrock", "openai_embeddings", None),
        ("openai", "anthropic_resources", None),
    ],
)
def test_in_which_dialect_a_provider_is_asked(
    provider: str, client: str, dialect: str | None
) -> None:
    entry = ROUTING.provider(provider)
    assert entry is not None
    assert spoken(entry, client) == dialect


def test_addresses_of_anthropics_format() -> None:
    for model, address in (
        ("deepseek-chat", "api.deepseek.com/anthropic/v1/messages"),
        ("openrouter/x/y", "openrouter.ai/api/v1/messages"),
        ("claude-sonnet-4-6", "api.anthropic.com/v1/messages"),
    ):
        assert led(model, *NAMES, client="anthropic_messages")[2] == address


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/responses?x=1", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/v1/embeddings", "embedding"),
        ("/v1/audio/transcriptions", "transcription"),
        ("/v1/images/generations", "image"),
        ("/v1/files", None),
        ("/v1/models", None),
        ("/v1/responses/resp_1/cancel", None),
        ("/v1/batches", None),
    ],
)
def test_what_names_a_model_in_its_body(path: str, operation: str | None) -> None:
    found = asked_for(path)
    assert (found.operation if found else None) == operation


@settings(max_examples=10)
@given(st.sets(st.sampled_from(["openai", "anthropic", "groq", "openrouter", "gemini", "mistral"])))
def test_what_is_listed_leads_where_it_says(with_keys: set[str]) -> None:
    listed = list(ROUTING.listed(only(*with_keys)))
    assert {provider for _, provider in listed} == with_keys
    assert len({name for name, _ in listed}) == len(listed)


def test_every_listed_name_leads_there() -> None:
    with_keys = ("openai", "anthropic", "groq", "openrouter", "gemini")
    for name, provider in ROUTING.listed(only(*with_keys)):
        assert led(name, *with_keys)[0] == provider


class Nothing:
    def knows(self, provider: str, model: str) -> bool:
        return False

    def names(self, provider: str) -> Sequence[str]:
        return ()


@given(
    st.text(max_size=30), st.sampled_from(["openai_chat", "anthropic_messages", "openai_responses"])
)
def test_any_name_is_answered(model: str, client: str) -> None:
    for routing in (ROUTING, Routing(load(), Nothing())):
        found = routing.resolve(model, client=client)
        assert isinstance(found, Route) or found.near() is not None
