"""A call that has failed is made one for a fallback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from mitmproxy import http

from llmitm.calls import Exchange
from llmitm.mitm.flights import Flight, depart
from llmitm.mitm.retarget import Retarget
from llmitm.mitm.router import Router
from llmitm.policy.directives import Directives, FallbackDirective, FallbackTarget
from llmitm.providers.hosts import load
from llmitm.served import ServedModels
from llmitm.settings import GatewaySettings
from mitm import flows

HOSTS = load()
SERVED = ServedModels.read()
KEYS = {
    "OPENAI_API_KEY": "key-of-openai-0123456789",
    "ANTHROPIC_API_KEY": "key-of-anthropic-0123456789",
    "GROQ_API_KEY": "key-of-groq-0123456789",
}
MESSAGES = [{"role": "user", "content": "Hi"}]
OWN_KEY = "Bearer sk-proj-of-the-app-0123456789"


class Call:
    """A call on its way, and what fallbacks make of it."""

    def __init__(
        self,
        url: str = "api.openai.com/v1/chat/completions",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        excluded: frozenset[str] = frozenset(),
    ) -> None:
        host, _, path = url.partition("/")
        content = json.dumps(body or {"model": "gpt-4o", "messages": MESSAGES}).encode()
        told = {"authorization": OWN_KEY, "content-type": "application/json", **(headers or {})}
        told["content-length"] = str(len(content))
        self.flow = flows.request(f"/{path}", host=host, headers=told, body=content)
        entry = HOSTS.find(host, 443)
        assert entry is not None
        endpoint = HOSTS.endpoint(entry, "POST", f"/{path}")
        assert endpoint is not None
        fields = [*told.items(), ("Helicone-User-Id", "alice")]
        self.exchange = Exchange(
            "01J", 0.0, "POST", "https", host, 443, f"/{path}", fields, content
        )
        self.flight = Flight(self.exchange, entry, endpoint)
        self.flight.directives = Directives(fallback=FallbackDirective((), excluded=excluded))
        depart(self.flow, self.flight)
        self.retarget = Retarget(Router(HOSTS, {}, GatewaySettings(), lambda: SERVED, KEYS))

    def to(self, **target: Any) -> str | None:
        return asyncio.run(self.retarget(self.flow, self.flight, FallbackTarget(**target)))

    @property
    def request(self) -> http.Request:
        return self.flow.request

    @property
    def body(self) -> Any:
        return json.loads(self.request.content or b"")


def test_another_model_of_the_same_provider() -> None:
    call = Call()
    assert call.to(model="gpt-4o-mini") is None
    assert call.request.url == "https://api.openai.com/v1/chat/completions"
    assert call.body == {"model": "gpt-4o-mini", "messages": MESSAGES}
    assert call.request.headers["authorization"] == OWN_KEY
    assert call.request.headers["content-length"] == str(len(call.request.raw_content or b""))
    assert (call.exchange.asked_provider, call.exchange.asked_model) == ("openai", "gpt-4o")
    assert call.exchange.request_body == call.request.raw_content


@pytest.mark.parametrize(
    ("target", "url", "model", "key"),
    [
        ({"model": "claude-sonnet-4-6"}, "https://api.anthropic.com/v1/chat/completions", "claude-sonnet-4-6", "anthropic"),
        ({"model": "claude-4.5-sonnet/anthropic"}, "https://api.anthropic.com/v1/chat/completions", "claude-sonnet-4-5", "anthropic"),
        ({"model": "llama-3.3-70b-versatile", "provider": "groq"}, "https://api.groq.com/openai/v1/chat/completions", "llama-3.3-70b-versatile", "groq"),
    ],
)  # fmt: skip
def test_a_model_of_another_provider(
    target: dict[str, str], url: str, model: str, key: str
) -> None:
    call = Call(headers={"openai-organization": "org"})
    assert call.to(**target) is None
    assert call.request.url == url
    assert call.request.host_header == call.request.host
    assert call.body["model"] == model
    assert call.request.headers["authorization"] == f"Bearer key-of-{key}-0123456789"
    assert "openai-organization" not in call.request.headers
    assert call.flight.endpoint.provider == call.flight.entry.name == key
    assert (call.exchange.host, call.exchange.path) == (call.request.host, call.request.path)
    headers = {name.lower(): value for name, value in call.exchange.request_headers}
    assert headers["helicone-user-id"] == "alice"
    assert headers["authorization"] == call.request.headers["authorization"]


def test_each_fallback_begins_with_what_the_client_sent() -> None:
    call = Call()
    before = dict(call.request.headers)
    assert call.to(model="claude-sonnet-4-6", body={"temperature": 0}) is None
    assert call.to(model="gpt-4o-mini") is None
    assert call.request.url == "https://api.openai.com/v1/chat/completions"
    assert call.body == {"model": "gpt-4o-mini", "messages": MESSAGES}
    after = dict(call.request.headers)
    assert {**before, "content-length": after["content-length"]} == after
    assert call.exchange.asked_model == "gpt-4o"


@pytest.mark.parametrize(
    ("url", "target", "path"),
    [
        (
            "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            "gemini-2.5-flash",
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        (
            "bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-pro-v1%3A0/converse",
            "amazon.nova-lite-v1:0",
            "/model/amazon.nova-lite-v1%3A0/converse",
        ),
        (
            "bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-pro-v1:0/converse",
            "amazon.nova-lite-v1:0",
            "/model/amazon.nova-lite-v1%3A0/converse",
        ),
        (
            "x.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1",
            "gpt-4o-mini",
            "/openai/deployments/gpt-4o-mini/chat/completions?api-version=1",
        ),
    ],
)
def test_a_model_that_stands_in_the_path(url: str, target: str, path: str) -> None:
    body = {"contents": []}
    call = Call(url, body)
    assert call.to(model=target) is None
    assert (call.request.host, call.request.path) == (url.partition("/")[0], path)
    assert call.body == body
    assert call.flight.endpoint.model == target


def test_a_signed_call_is_left_alone() -> None:
    signed = {
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=0"
    }
    url = "bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-pro-v1%3A0/converse"
    call = Call(url, headers=signed)
    assert call.to(model="amazon.nova-lite-v1:0") == "the request is signed (AWS SigV4)"
    assert "nova-pro" in call.request.path


def test_what_cannot_be_had_changes_nothing() -> None:
    for target, said in (
        ({"model": "mistral-large-latest"}, "MISTRAL_API_KEY"),
        ({"model": "gtp-4o-mini", "provider": "anthropic", "url": "https://evil.example.com"}, "no LLM host"),
        ({"model": "gpt-4o", "provider": "nobody"}, "no provider is 'nobody'"),
        ({"model": "claude-sonnet-4-6"}, "anthropic is excluded"),
    ):  # fmt: skip
        barred = frozenset({"anthropic"} if "excluded" in said else set())
        call = Call(excluded=barred)
        if barred:
            target = {**target, "provider": "anthropic"}
        before = call.request.copy()
        refused = call.to(**target)
        assert refused is not None
        assert said in refused
        assert call.request.url == before.url
        assert call.request.raw_content == before.raw_content
        assert call.request.headers == before.headers
        assert call.exchange.asked_provider is None


def test_a_dialect_that_nobody_else_speaks() -> None:
    url = "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent"
    refused = Call(url, {"contents": []}).to(model="gpt-4o-mini")
    assert refused is not None
    assert "no counterpart" in refused


def test_another_dialect() -> None:
    body = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": MESSAGES, "top_k": 3}
    call = Call("api.anthropic.com/v1/messages", body, {"anthropic-beta": "x"})
    assert call.to(model="gpt-4o-mini") is None
    assert call.request.url == "https://api.openai.com/v1/chat/completions"
    assert call.body["messages"] == MESSAGES
    assert "anthropic-beta" not in call.request.headers
    assert call.flight.endpoint.dialect == "openai_chat"
    assert any("top_k" in note for note in call.exchange.notes)
    assert call.to(model="claude-opus-4-1") is None
    assert call.request.url == "https://api.anthropic.com/v1/messages"
    assert call.body == {**body, "model": "claude-opus-4-1"}
    assert call.request.headers["anthropic-beta"] == "x"


def test_a_target_with_an_address_of_its_own() -> None:
    """The third spelling's neighbour: `Helicone-Fallbacks`."""
    call = Call()
    own = {"Authorization": "Bearer of-the-target", "X-Own": "1"}
    assert call.to(url="https://api.groq.com/openai", headers=own, body={"model": "llama-3.3-70b-versatile", "n": 1}) is None  # fmt: skip
    assert call.request.url == "https://api.groq.com/openai/v1/chat/completions"
    assert call.body == {"model": "llama-3.3-70b-versatile", "messages": MESSAGES, "n": 1}
    assert call.request.headers["authorization"] == "Bearer of-the-target"
    assert call.request.headers["x-own"] == "1"
    assert call.to(url="https://api.groq.com/openai/v1") is None
    assert call.request.url == "https://api.groq.com/openai/v1/chat/completions"
    assert call.request.headers["authorization"] == "Bearer key-of-groq-0123456789"
    assert "x-own" not in call.request.headers
    assert call.body["model"] == "gpt-4o"
