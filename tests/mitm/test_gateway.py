from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest
from mitmproxy import http

from llmitm.keys import KeySource
from llmitm.mitm.gateway import TAGS, Gateway
from llmitm.mitm.guard import faults
from llmitm.mitm.modelled import TO_ROUTE
from llmitm.mitm.router import Router
from llmitm.providers.helicone import helicone_hosts
from llmitm.providers.hosts import load
from llmitm.served import ServedModels
from llmitm.settings import GatewaySettings
from mitm import flows

SERVED = ServedModels.read()
KEYS = {
    "OPENAI_API_KEY": "key-of-openai-0123456789",
    "ANTHROPIC_API_KEY": "key-of-anthropic-0123456789",
    "GEMINI_API_KEY": "key-of-gemini-0123456789",
    "AWS_BEARER_TOKEN_BEDROCK": "key-of-bedrock-0123456789",
}
HELICONE = "Bearer sk-helicone-abcdefg-0123456"


def made(
    environ: Mapping[str, str] = KEYS,
    own: Mapping[str, str] | None = None,
    keys: Mapping[str, KeySource] | None = None,
) -> Gateway:
    settings = GatewaySettings(models=dict(own or {}), origins=("https://chat.example.com",))
    router = Router(load(), keys or {}, settings, lambda: SERVED, environ)
    return Gateway(router, lambda: {"in_flight": 0})


@pytest.fixture
def gateway() -> Gateway:
    return made()


@pytest.fixture(autouse=True)
def no_faults() -> object:
    faults.clear()
    yield
    assert not faults


def pass_through(gateway: Gateway, flow: http.HTTPFlow) -> http.HTTPFlow:
    gateway.requestheaders(flow)
    asyncio.run(gateway.request(flow))  # type: ignore[arg-type]
    return flow


def asked(
    gateway: Gateway,
    path: str,
    body: object,
    headers: dict[str, str] | None = None,
    host: str = "127.0.0.1",
) -> http.HTTPFlow:
    """Send a request of JSON to the gateway, or to one of Helicone's hosts."""
    is_own = host == "127.0.0.1"
    told = {"content-type": "application/json", "authorization": "Bearer x", **(headers or {})}
    content = json.dumps(body).encode()
    told["content-length"] = str(len(content))
    flow = flows.request(
        path,
        host=host,
        port=8080 if is_own else 443,
        scheme="http" if is_own else "https",
        headers=told,
        body=content,
    )
    return pass_through(gateway, flow)


def refusal(flow: http.HTTPFlow) -> tuple[int, str, str]:
    """Return status, type and message of a refusal."""
    assert flow.response is not None
    error = json.loads(flow.response.content or b"")["error"]
    return flow.response.status_code, error["type"], error["message"]


def chat(model: str) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/openai/v1/responses?x=1", "https://api.openai.com/v1/responses?x=1"),
        ("/anthropic/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("/groq/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
        ("/groq/openai/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_base_url_goes_to_its_provider(gateway: Gateway, path: str, url: str, host: str) -> None:
    flow = flows.request(path, host=host, port=8080, scheme="http")
    pass_through(gateway, flow)
    assert flow.request.url == url
    assert flow.request.host_header == flow.request.host
    assert flow.response is None


def test_tags_in_the_path(gateway: Gateway) -> None:
    flow = flows.request(
        "/t/project=a%20b,x=1/openai/v1/models", host="127.0.0.1", port=8080, scheme="http"
    )
    gateway.requestheaders(flow)
    assert flow.request.url == "https://api.openai.com/v1/models"
    assert flow.metadata[TAGS] == {"project": "a b", "x": "1"}


@pytest.mark.parametrize("path", ["/", "/nobody/v1/models", "/azure/x", "*", "http:"])
def test_anything_else_ends_here(gateway: Gateway, path: str) -> None:
    flow = flows.request(path, host="127.0.0.1", port=8080, scheme="http")
    gateway.requestheaders(flow)
    asyncio.run(gateway.request(flow))  # type: ignore[arg-type]
    assert flow.response is not None
    assert flow.response.status_code == 404
    assert "base URLs are /v1" in json.loads(flow.response.content or b"")["error"]["message"]


def test_health(gateway: Gateway) -> None:
    flow = flows.request("/llmitm/health", host="127.0.0.1", port=8080, scheme="http")
    gateway.requestheaders(flow)
    asyncio.run(gateway.request(flow))  # type: ignore[arg-type]
    assert flow.response is not None
    assert json.loads(flow.response.content or b"")["in_flight"] == 0


def test_others_pass(gateway: Gateway) -> None:
    flow = flows.request("/openai/v1/models", host="127.0.0.1", port=9999, scheme="http")
    gateway.requestheaders(flow)
    asyncio.run(gateway.request(flow))  # type: ignore[arg-type]
    assert (flow.request.host, flow.request.port, flow.response) == ("127.0.0.1", 9999, None)


@pytest.mark.parametrize(
    ("model", "url", "named", "key"),
    [
        ("gpt-4o-mini", "https://api.openai.com/v1/chat/completions", "gpt-4o-mini", "openai"),
        (
            "gpt-4o-mini/openai",
            "https://api.openai.com/v1/chat/completions",
            "gpt-4o-mini",
            "openai",
        ),
        (
            "claude-4.5-sonnet",
            "https://api.anthropic.com/v1/chat/completions",
            "claude-sonnet-4-5",
            "anthropic",
        ),
        (
            "gemini-2.5-pro",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            "gemini-2.5-pro",
            "gemini",
        ),
        ("ollama/llama3.2", "http://localhost:11434/v1/chat/completions", "llama3.2", None),
    ],
)
@pytest.mark.parametrize("base", ["/v1", ""])
@pytest.mark.parametrize("host", ["127.0.0.1", "ai-gateway.helicone.ai"])
def test_the_model_decides(
    gateway: Gateway, base: str, host: str, model: str, url: str, named: str, key: str | None
) -> None:
    auth = {"authorization": HELICONE} if host != "127.0.0.1" else None
    flow = asked(gateway, f"{base}/chat/completions", chat(model), auth, host)
    assert flow.response is None, refusal(flow)
    assert flow.request.url == url
    assert json.loads(flow.request.content or b"") == chat(named)
    assert flow.request.headers["content-length"] == str(len(flow.request.raw_content or b""))
    if key is not None:
        assert flow.request.headers["authorization"] == f"Bearer key-of-{key}-0123456789"


def test_a_body_that_needs_no_change_stays_as_it_is(gateway: Gateway) -> None:
    body = b'{ "model" : "gpt-4o-mini",  "messages": [] }'
    flow = flows.request(
        "/v1/chat/completions", host="127.0.0.1", port=8080, scheme="http", body=body
    )
    pass_through(gateway, flow)
    assert flow.request.raw_content == body


def test_the_apps_own_key_goes_first() -> None:
    own = {"authorization": "Bearer sk-proj-of-the-app-0123456789"}
    flow = asked(made(), "/v1/chat/completions", chat("gpt-4o"), own)
    assert flow.request.headers["authorization"] == own["authorization"]
    flow = asked(made(), "/v1/chat/completions", chat("claude-sonnet-4-6"), own)
    assert flow.request.headers["authorization"] == "Bearer key-of-anthropic-0123456789"
    gateway = made({}, keys={"openai": KeySource("key-of-the-settings-1")})
    flow = asked(gateway, "/v1/chat/completions", chat("gpt-4o"))
    assert flow.request.headers["authorization"] == "Bearer key-of-the-settings-1"


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("/v1/chat/completions", ("model_not_found", "authentication_error")),
        ("/v1/messages", ("not_found_error", "authentication_error")),
    ],
)
def test_what_cannot_be_sent_is_refused_in_the_clients_words(
    path: str, kinds: tuple[str, str]
) -> None:
    status, kind, told = refusal(asked(made(), path, chat("gtp-4o-mini")))
    assert (status, kind) == (404, kinds[0])
    assert "gpt-4o-mini" in told
    status, kind, told = refusal(asked(made({}), path, chat("gpt-4o-mini")))
    assert (status, kind) == (401, kinds[1])
    assert "OPENAI_API_KEY" in told
    assert "[keys]" in told
    for body in ({}, {"model": ""}, {"model": 5}, [], None):
        status, kind, told = refusal(asked(made(), path, body))
        assert (status, kind) == (400, "invalid_request_error")
        assert "`model` is missing" in told


def test_a_body_that_was_too_long(gateway: Gateway) -> None:
    flow = flows.request("/v1/chat/completions", host="127.0.0.1", port=8080, scheme="http")
    flow.metadata["llmitm_too_long"] = True
    status, kind, told = refusal(pass_through(gateway, flow))
    assert (status, kind) == (413, "request_too_large")
    assert "32 MiB" in told


def test_what_names_no_model_goes_to_openai(gateway: Gateway) -> None:
    flow = flows.request("/v1/files", host="127.0.0.1", port=8080, scheme="http")
    gateway.requestheaders(flow)
    assert flow.request.url == "https://api.openai.com/v1/files"
    assert TO_ROUTE not in flow.metadata


def test_codex_is_told_to_come_over_http(gateway: Gateway) -> None:
    told = {"connection": "upgrade", "upgrade": "websocket"}
    flow = flows.request(
        "/v1/responses",
        method="GET",
        host="127.0.0.1",
        port=8080,
        scheme="http",
        headers=told,
        body=b"",
    )
    pass_through(gateway, flow)
    assert flow.response is not None
    assert flow.response.status_code == 426


def test_models_are_listed(gateway: Gateway) -> None:
    for path, host in (("/v1/models", "127.0.0.1"), ("/models", "ai-gateway.helicone.ai")):
        is_own = host == "127.0.0.1"
        flow = flows.request(
            path,
            method="GET",
            host=host,
            port=8080 if is_own else 443,
            scheme="http" if is_own else "https",
            body=b"",
        )
        pass_through(gateway, flow)
        assert flow.response is not None
        listed = json.loads(flow.response.content or b"")
        assert listed["object"] == "list"
        owners = {model["id"]: model["owned_by"] for model in listed["data"]}
        assert owners["gpt-4o-mini"] == "openai"
        assert owners["claude-sonnet-4-6"] == "anthropic"
        assert set(owners.values()) == {"openai", "anthropic", "gemini", "bedrock"}


def test_claude_code_may_be_told_any_model(gateway: Gateway) -> None:
    auth = {"authorization": "Bearer sk-ant-oat01-0123456789abcdef", "anthropic-beta": "oauth"}
    flow = asked(gateway, "/anthropic/v1/messages?beta=true", chat("claude-sonnet-4-6"), auth)
    assert flow.request.url == "https://api.anthropic.com/v1/messages?beta=true"
    assert flow.request.headers["authorization"] == auth["authorization"]
    assert flow.request.headers["anthropic-beta"] == "oauth"
    body = {**chat("gpt-4o-mini"), "max_tokens": 10}
    flow = asked(gateway, "/anthropic/v1/messages?beta=true", body, auth)
    assert flow.request.url == "https://api.openai.com/v1/chat/completions"
    assert flow.request.headers["authorization"] == "Bearer key-of-openai-0123456789"
    assert "anthropic-beta" not in flow.request.headers
    assert flow.request.headers["accept-encoding"] == "identity"
    assert json.loads(flow.request.content or b"")["model"] == "gpt-4o-mini"
    status, kind, told = refusal(asked(gateway, "/anthropic/v1/messages/count_tokens", body, auth))
    assert (status, kind) == (404, "not_found_error")
    assert "nothing like" in told


def test_a_providers_own_models_need_no_table() -> None:
    def unread() -> ServedModels:
        raise AssertionError("the price table was read")

    gateway = Gateway(Router(load(), {}, GatewaySettings(), unread, KEYS), dict)
    flow = asked(gateway, "/anthropic/v1/messages", chat("claude-sonnet-4-6"))
    assert flow.request.host == "api.anthropic.com"
    assert flow.request.headers["x-api-key"] == KEYS["ANTHROPIC_API_KEY"]


def test_codex_may_be_told_claude(gateway: Gateway) -> None:
    body = {"model": "claude-sonnet-4-6", "input": "Hi"}
    flow = asked(gateway, "/v1/responses", body)
    assert flow.response is None, refusal(flow)
    assert flow.request.url == "https://api.anthropic.com/v1/messages"
    assert flow.request.headers["x-api-key"] == "key-of-anthropic-0123456789"
    assert "authorization" not in flow.request.headers
    assert flow.request.headers["anthropic-version"]


def test_bedrock_is_asked_in_its_own_dialect(gateway: Gateway) -> None:
    flow = asked(gateway, "/v1/chat/completions", chat("amazon.nova-pro-v1:0"))
    assert flow.response is None, refusal(flow)
    assert flow.request.host == "bedrock-runtime.us-east-1.amazonaws.com"
    assert flow.request.path == "/model/amazon.nova-pro-v1%3A0/converse"
    assert flow.request.headers["authorization"] == "Bearer key-of-bedrock-0123456789"


@pytest.mark.parametrize("model", ["whisper-1", "openai/whisper-1"])
def test_a_form(gateway: Gateway, model: str) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n--b--\r\n'
    )
    flow = flows.request(
        "/v1/audio/transcriptions",
        host="127.0.0.1",
        port=8080,
        scheme="http",
        headers={"content-type": "multipart/form-data; boundary=b"},
        body=form % model.encode(),
    )
    pass_through(gateway, flow)
    assert flow.response is None
    assert flow.request.url == "https://api.openai.com/v1/audio/transcriptions"
    assert flow.request.raw_content == form % b"whisper-1"


def test_a_list_of_models(gateway: Gateway) -> None:
    flow = asked(
        gateway, "/v1/chat/completions", chat("gpt-4o-mini,claude-sonnet-4-6/anthropic,!azure")
    )
    assert json.loads(flow.request.content or b"")["model"] == "gpt-4o-mini"
    decision = flow.metadata["llmitm_decision"]
    assert [(t.model, t.provider) for t in decision.fallback.targets] == [
        ("claude-sonnet-4-6", "anthropic")
    ]
    assert decision.fallback.excluded == {"azure"}
    # What cannot be had is passed over.
    flow = asked(gateway, "/v1/chat/completions", chat("sonar,gpt-4o-mini"))
    assert json.loads(flow.request.content or b"")["model"] == "gpt-4o-mini"


def test_the_users_own_names() -> None:
    gateway = made(own={"claude-*haiku*": "gpt-4o-mini"})
    flow = asked(gateway, "/anthropic/v1/messages", {**chat("claude-haiku-4-5"), "max_tokens": 9})
    assert flow.request.host == "api.openai.com"
    assert flow.metadata["llmitm_decision"].asked_model == "claude-haiku-4-5"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("oai.helicone.ai/v1/chat/completions", "api.openai.com/v1/chat/completions"),
        ("oai.hconeai.com/v1/embeddings", "api.openai.com/v1/embeddings"),
        ("anthropic.helicone.ai/v1/messages", "api.anthropic.com/v1/messages"),
        ("groq.helicone.ai/openai/v1/chat/completions", "api.groq.com/openai/v1/chat/completions"),
        ("groq.helicone.ai/v1/chat/completions", "api.groq.com/openai/v1/chat/completions"),
        ("deepseek.helicone.ai/chat/completions", "api.deepseek.com/chat/completions"),
        ("openrouter.helicone.ai/api/v1/chat/completions", "openrouter.ai/api/v1/chat/completions"),
        ("x.helicone.ai/v1/chat/completions", "api.x.ai/v1/chat/completions"),
        ("deepinfra.helicone.ai/v1/chat/completions", "api.deepinfra.com/v1/chat/completions"),
        ("perplexity.helicone.ai/chat/completions", "api.perplexity.ai/chat/completions"),
        (
            "fireworks.helicone.ai/inference/v1/chat/completions",
            "api.fireworks.ai/inference/v1/chat/completions",
        ),
    ],
)
def test_helicones_hosts_stand_for_providers(gateway: Gateway, url: str, sent: str) -> None:
    host, _, path = url.partition("/")
    own = {"authorization": "Bearer 0123456789abcdef0123456789", "helicone-auth": HELICONE}
    flow = asked(gateway, f"/{path}", chat("m"), own, host)
    assert flow.response is None, refusal(flow)
    assert flow.request.url == f"https://{sent}"
    assert flow.request.headers["authorization"] == own["authorization"]


def test_every_host_of_helicones_is_decrypted_and_has_a_provider() -> None:
    table, hosts = load(), helicone_hosts()
    entry = table.provider("helicone")
    assert entry is not None
    every = {*hosts.by_model, *hosts.by_header, *hosts.provider}
    assert set(entry.hosts) == every
    assert all(table.provider(name) for name in hosts.provider.values())
    for other in ("api.helicone.ai", "www.helicone.ai", "us.helicone.ai", "helicone.ai"):
        assert table.find(other, 443) is None


def test_helicones_key_is_not_passed_on() -> None:
    for host, auth in (("oai.helicone.ai", HELICONE), ("anthropic.helicone.ai", "")):
        flow = asked(made(), "/v1/chat/completions", chat("m"), {"authorization": auth}, host)
        assert "key-of-" in flow.request.headers.get("authorization", "")
        told = refusal(
            asked(made({}), "/v1/chat/completions", chat("m"), {"authorization": auth}, host)
        )
        assert told[:2] == (401, "authentication_error")


@pytest.mark.parametrize("name", ["Helicone-Target-URL", "Helicone-OpenAI-Api-Base"])
def test_a_header_may_name_the_provider(gateway: Gateway, name: str) -> None:
    own = {"authorization": "Bearer gsk_0123456789abcdef0123456789"}
    for host in ("gateway.helicone.ai", "oai.helicone.ai", "127.0.0.1"):
        told = {**own, name: "https://api.groq.com"}
        path = "/openai/v1/chat/completions" if host != "127.0.0.1" else "/v1/chat/completions"
        flow = asked(gateway, path, chat("m"), told, host)
        assert flow.response is None, refusal(flow)
        assert flow.request.url == f"https://api.groq.com{path}"


@pytest.mark.parametrize(
    ("target", "path", "url"),
    [
        ("https://api.groq.com/openai/v1", "/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
        ("https://api.groq.com/openai", "/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
        ("https://api.groq.com/openai/", "/openai/v1/models", "https://api.groq.com/openai/v1/models"),
        ("http://localhost:11434", "/v1/models", "http://localhost:11434/v1/models"),
    ],
)  # fmt: skip
def test_a_target_may_have_a_path(gateway: Gateway, target: str, path: str, url: str) -> None:
    told = {"Helicone-Target-URL": target, "authorization": "Bearer 0123456789abcdef0123"}
    flow = asked(gateway, path, chat("m"), told, "gateway.helicone.ai")
    assert flow.response is None, refusal(flow)
    assert flow.request.url == url


def test_a_target_for_all_calls() -> None:
    router = Router(load(), {}, GatewaySettings(), lambda: SERVED, KEYS)
    gateway = Gateway(router, dict, "http://localhost:11434")
    flow = asked(gateway, "/v1/chat/completions", chat("whatever"))
    assert flow.request.url == "http://localhost:11434/v1/chat/completions"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example.com", "nonsense", "ftp://api.groq.com", "https://gateway.helicone.ai",
     "http://127.0.0.1:8080", "https://api.groq.com:x"],
)  # fmt: skip
def test_a_header_may_not_lead_anywhere(gateway: Gateway, target: str) -> None:
    told = {"Helicone-Target-URL": target}
    status, kind, message = refusal(
        asked(gateway, "/v1/chat/completions", chat("m"), told, "gateway.helicone.ai")
    )
    assert (status, kind) == (400, "invalid_request_error")
    assert "llmitm" in message


def test_helicones_gateway_needs_a_target(gateway: Gateway) -> None:
    status, _, told = refusal(
        asked(gateway, "/v1/chat/completions", chat("m"), host="gateway.helicone.ai")
    )
    assert status == 400
    assert "Helicone-Target-URL" in told


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("https://evil.example.com", False),
        ("http://127.0.0.1.evil.example.com", False),
        ("null", False),
        ("https://chat.example.com", True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:5173", True),
        ("app://obsidian.md", True),
        ("vscode-webview://x", True),
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/openai/v1/chat/completions", "/anthropic/v1/messages"]
)
def test_web_pages_may_not_spend(gateway: Gateway, path: str, origin: str, may: bool) -> None:
    for key in ("Bearer x", "Bearer 0123456789abcdef0123"):
        told = {"origin": origin, "authorization": key, "content-type": "text/plain"}
        flow = asked(gateway, path, chat("gpt-4o-mini"), told)
        ours = "key-of-openai" in flow.request.headers["authorization"]
        if may:
            assert flow.response is None
        elif flow.response is None:
            assert not ours
        else:
            assert refusal(flow)[:2] == (403, "permission_error")
