"""The gateway with real SDKs: any model under one base URL, without a CA and without a key of one's own."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from e2e.test_callers import properties
from harness import ProxyProcess, running_proxy
from llmitm.calls import header
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

KEYS = {
    "OPENAI_API_KEY": "sk-proj-of-the-proxy-0123456789",
    "ANTHROPIC_API_KEY": "sk-ant-of-the-proxy-0123456789",
    "GEMINI_API_KEY": "AIzaOfTheProxy0123456789",
    "AWS_BEARER_TOKEN_BEDROCK": "ABSKOfTheProxy0123456789",
    "MISTRAL_API_KEY": "",
}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
HELLO: Any = [{"role": "user", "content": "Say héllo 🎈"}]


@pytest.fixture(scope="module")
def running(
    local_provider: LocalProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxyProcess]:
    home = Home(tmp_path_factory.mktemp("proxy") / "llmitm")
    home.create()
    home.settings.write_text('[gateway.models]\n"claude-*haiku*" = "gpt-4o-mini"\n')
    with running_proxy("llmitm", home, local_provider, environment=KEYS) as proxy:
        yield proxy
    assert "Traceback" not in proxy.said()
    for key in filter(None, KEYS.values()):
        assert key not in proxy.said()
        for file in home.folder.glob("llmitm.db*"):
            assert key.encode() not in file.read_bytes()


@pytest.fixture
def gateway(running: ProxyProcess, upstream: LocalProvider) -> ProxyProcess:
    running.skip()
    upstream.log.clear()
    return running


@pytest.fixture
def client(gateway: ProxyProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def claude(gateway: ProxyProcess) -> Iterator[anthropic.Anthropic]:
    url = f"{gateway.url}/anthropic"
    with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0) as sdk:
        yield sdk


@pytest.mark.parametrize(
    ("model", "host", "path", "key"),
    [
        ("gpt-4o-mini", "api.openai.com", "/v1/chat/completions", "OPENAI_API_KEY"),
        ("claude-sonnet-4-6", "api.anthropic.com", "/v1/chat/completions", "ANTHROPIC_API_KEY"),
        ("anthropic/claude-sonnet-4.5", "api.anthropic.com", "/v1/chat/completions", "ANTHROPIC_API_KEY"),
        ("gemini-2.5-flash", "generativelanguage.googleapis.com", "/v1beta/openai/chat/completions", "GEMINI_API_KEY"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_chats(
    client: openai.OpenAI,
    gateway: ProxyProcess,
    upstream: LocalProvider,
    model: str,
    host: str,
    path: str,
    key: str,
    stream: bool,
) -> None:
    if stream:
        chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        answer = client.chat.completions.create(model=model, messages=HELLO)
        text = answer.choices[0].message.content or ""
    [entry] = upstream.log
    assert (entry.host, entry.target, entry.text) == (host, path, text)
    assert header(entry.headers, "authorization") == f"Bearer {KEYS[key]}"
    [row] = gateway.wait_for_rows()
    assert (row["outcome"], row["response"], row["streaming"]) == ("ok", text, stream)
    assert row["cost_usd"] > 0, row["unpriced_reason"]


def test_other_operations(client: openai.OpenAI, upstream: LocalProvider) -> None:
    client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    client.responses.create(model="gpt-5-mini/openai", input="hello")
    assert [entry.target for entry in upstream.log] == ["/v1/embeddings", "/v1/responses"]
    assert json.loads(upstream.log[1].body)["model"] == "gpt-5-mini"


@pytest.mark.parametrize("stream", [False, True])
def test_codex_on_claude(
    client: openai.OpenAI, gateway: ProxyProcess, upstream: LocalProvider, stream: bool
) -> None:
    """The Responses API, which Codex speaks, on a model of Anthropic's, with a tool."""
    tool: Any = {"type": "function", **TOOL["function"]}
    if stream:
        events = list(
            client.responses.create(
                model="claude-sonnet-4-6", input="The weather?", tools=[tool], stream=True
            )
        )
        [done] = [event.response for event in events if event.type == "response.completed"]
        answer: Any = done
    else:
        answer = client.responses.create(
            model="claude-sonnet-4-6", input="The weather?", tools=[tool]
        )
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "weather"
    json.loads(call.arguments)
    [entry] = upstream.log
    assert (entry.host, entry.target) == ("api.anthropic.com", "/v1/messages")
    assert header(entry.headers, "x-api-key") == KEYS["ANTHROPIC_API_KEY"]
    assert answer.usage.output_tokens == entry.tokens.output  # type: ignore[union-attr]
    [row] = gateway.wait_for_rows()
    assert (row["provider"], row["status"], row["outcome"]) == ("anthropic", 200, "ok")
    assert row["cost_usd"] > 0


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gemini-2.5-flash", "claude-haiku-4-5"])
@pytest.mark.parametrize("stream", [False, True])
def test_claude_code_on_any_model(
    claude: anthropic.Anthropic,
    gateway: ProxyProcess,
    upstream: LocalProvider,
    model: str,
    stream: bool,
) -> None:
    """Anthropic's Messages on models of others, with a tool; a name of the settings is one of them."""
    tool: Any = {
        "name": "weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    wanted: Any = {"model": model, "max_tokens": 500, "messages": HELLO, "tools": [tool]}
    if stream:
        with claude.messages.stream(**wanted) as events:
            answer = events.get_final_message()
    else:
        answer = claude.messages.create(**wanted)
    [use] = [block for block in answer.content if block.type == "tool_use"]
    assert use.name == "weather"
    assert answer.stop_reason == "tool_use"
    [entry] = upstream.log
    assert entry.host in ("api.openai.com", "generativelanguage.googleapis.com")
    assert entry.path.endswith("/chat/completions")
    [row] = gateway.wait_for_rows()
    assert row["outcome"] == "ok"
    assert row["cost_usd"] > 0
    if model.startswith("claude"):
        assert json.loads(entry.body)["model"] == "gpt-4o-mini"
        assert row["model_requested"] == model


@pytest.mark.parametrize("stream", [False, True])
def test_bedrock_in_openais_dialect(
    client: openai.OpenAI, gateway: ProxyProcess, upstream: LocalProvider, stream: bool
) -> None:
    model = "anthropic.claude-3-5-sonnet-20240620-v1:0/bedrock"
    if stream:
        chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        answer = client.chat.completions.create(model=model, messages=HELLO)
        text = answer.choices[0].message.content or ""
    [entry] = upstream.log
    assert entry.host == "bedrock-runtime.us-east-1.amazonaws.com"
    assert entry.path.endswith("/converse-stream" if stream else "/converse")
    assert header(entry.headers, "authorization") == f"Bearer {KEYS['AWS_BEARER_TOKEN_BEDROCK']}"
    assert text == entry.text
    [row] = gateway.wait_for_rows()
    assert (row["provider"], row["outcome"], row["response"]) == ("bedrock", "ok", text)


def test_errors_in_another_dialect(claude: anthropic.Anthropic, upstream: LocalProvider) -> None:
    """What a provider refuses in its own words comes back in the client's."""
    for status, kind in ((429, anthropic.RateLimitError), (500, anthropic.InternalServerError)):
        told = {"x-demo": f"error-{status}"}
        with pytest.raises(kind):
            claude.messages.create(
                model="gpt-4o-mini", max_tokens=9, messages=HELLO, extra_headers=told
            )


def test_refusals(
    client: openai.OpenAI, claude: anthropic.Anthropic, upstream: LocalProvider
) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-4o-mini") as unknown:
        client.chat.completions.create(model="gtp-4o-mini", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError, match="MISTRAL_API_KEY"):
        client.chat.completions.create(model="mistral-large-latest", messages=HELLO)
    with pytest.raises(anthropic.AuthenticationError, match="MISTRAL_API_KEY"):
        claude.messages.create(model="mistral-large-latest", max_tokens=9, messages=HELLO)
    assert not upstream.log


def test_models(client: openai.OpenAI, upstream: LocalProvider) -> None:
    owners = {model.id: model.owned_by for model in client.models.list()}
    assert owners["gpt-4o-mini"] == "openai"
    assert owners["claude-sonnet-4-6"] == "anthropic"
    assert {"openai", "anthropic", "gemini", "bedrock"} <= set(owners.values())
    assert not upstream.log


@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_long(
    gateway: ProxyProcess, upstream: LocalProvider, told: bool
) -> None:
    """More than is held is refused, whether its length is told or not, and is not kept meanwhile."""
    piece, pieces = b" " * 1024 * 1024, 40
    headers = {"content-type": "application/json"}
    if told:
        headers["content-length"] = str(len(piece) * pieces)
    request = urllib.request.Request(
        f"{gateway.url}/v1/chat/completions", (piece for _ in range(pieces)), headers
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    with refused.value as answer:
        assert answer.code == 413
        assert "32 MiB" in json.load(answer)["error"]["message"]
    assert not upstream.log


def test_tags_in_the_path(gateway: ProxyProcess) -> None:
    url = f"{gateway.url}/t/project=night/v1"
    with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as sdk:
        sdk.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    [row] = gateway.wait_for_rows()
    assert properties(gateway, row)["project"] == "night"


def test_a_list_of_models_falls_back(
    client: openai.OpenAI, gateway: ProxyProcess, upstream: LocalProvider
) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="demo-error-503/openai,claude-sonnet-4-6/anthropic,!azure", messages=HELLO
    )
    assert [entry.host for entry in upstream.log] == ["api.openai.com", "api.anthropic.com"]
    assert header(upstream.log[1].headers, "authorization") == f"Bearer {KEYS['ANTHROPIC_API_KEY']}"
    assert answer.headers["helicone-fallback-index"] == "0"
    assert answer.headers["helicone-fallback-model"] == "claude-sonnet-4-6"
    [row] = gateway.wait_for_rows()
    assert (row["provider"], row["outcome"]) == ("anthropic", "ok")
    assert row["provider_requested"] == "openai"


def test_a_fallback_in_another_dialect(
    claude: anthropic.Anthropic, gateway: ProxyProcess, upstream: LocalProvider
) -> None:
    """Claude Code's call goes to OpenAI when Anthropic is overloaded."""
    told = {"Helicone-Fallback-Model": "gpt-4o-mini"}
    with claude.messages.stream(
        model="demo-error-529", max_tokens=99, messages=HELLO, extra_headers=told
    ) as events:
        text = events.get_final_message().content[0].text  # type: ignore[union-attr]
    assert [entry.host for entry in upstream.log] == ["api.anthropic.com", "api.openai.com"]
    assert text == upstream.log[1].text
    [row] = gateway.wait_for_rows()
    assert (row["provider"], row["provider_requested"]) == ("openai", "anthropic")


@pytest.mark.parametrize("stream", [False, True])
def test_the_cache_with_a_translation(
    claude: anthropic.Anthropic, upstream: LocalProvider, stream: bool
) -> None:
    told = {"Helicone-Cache-Enabled": "true", "Helicone-Cache-Seed": f"translated {stream}"}
    texts = []
    for _ in range(2):
        wanted: Any = {
            "model": "gpt-4o-mini",
            "max_tokens": 99,
            "messages": HELLO,
            "extra_headers": told,
        }
        if stream:
            with claude.messages.stream(**wanted) as events:
                texts.append(events.get_final_message().content[0].text)  # type: ignore[union-attr]
        else:
            texts.append(claude.messages.create(**wanted).content[0].text)
    assert len(upstream.log) == 1
    assert texts == [upstream.log[0].text] * 2


@pytest.mark.parametrize("base", ["", "/openai", "/t/project=night"])
def test_fallbacks_as_an_array(gateway: ProxyProcess, upstream: LocalProvider, base: str) -> None:
    """The first entry changes the call itself; the others are tried at its codes."""
    targets = [
        {
            "target-url": "https://api.openai.com",
            "onCodes": [{"from": 500, "to": 503}],
            "bodyKeyOverride": {"model": "demo-error-500"},
        },
        {
            "target-url": "https://api.groq.com/openai",
            "headers": {"Authorization": "Bearer gsk_of_the_target"},
            "bodyKeyOverride": {"model": "llama-3.3-70b-versatile", "temperature": 0},
        },
    ]
    told = {"Helicone-Fallbacks": json.dumps(targets)}
    with openai.OpenAI(base_url=f"{gateway.url}{base}/v1", api_key="x", max_retries=0) as sdk:
        answer = sdk.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, extra_headers=told
        )
    first, second = upstream.log
    assert (first.host, first.target, first.status) == (
        "api.openai.com",
        "/v1/chat/completions",
        500,
    )
    assert (second.host, second.target) == ("api.groq.com", "/openai/v1/chat/completions")
    assert json.loads(first.body)["model"] == "demo-error-500"
    assert json.loads(second.body)["temperature"] == 0
    assert header(first.headers, "authorization") == f"Bearer {KEYS['OPENAI_API_KEY']}"
    assert header(second.headers, "authorization") == "Bearer gsk_of_the_target"
    assert answer.choices[0].message.content == second.text
    [row] = gateway.wait_for_rows()
    assert (row["provider"], row["provider_requested"], row["outcome"]) == ("groq", "openai", "ok")
    assert row["model_requested"] == "gpt-4o-mini"
