from __future__ import annotations

import json

import pytest

from llmitm.mitm.gateway import TAGS, Gateway
from llmitm.providers.hosts import load
from mitm import flows


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(load(), lambda: {"in_flight": 0})


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
    gateway.requestheaders(flow)
    assert flow.request.url == url
    assert flow.request.host_header == flow.request.host
    gateway.request(flow)
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
    gateway.request(flow)
    assert flow.response is not None
    assert flow.response.status_code == 404
    assert "base URLs are /openai" in json.loads(flow.response.content or b"")["error"]["message"]


def test_health(gateway: Gateway) -> None:
    flow = flows.request("/llmitm/health", host="127.0.0.1", port=8080, scheme="http")
    gateway.requestheaders(flow)
    gateway.request(flow)
    assert flow.response is not None
    assert json.loads(flow.response.content or b"")["in_flight"] == 0


def test_others_pass(gateway: Gateway) -> None:
    flow = flows.request("/openai/v1/models", host="127.0.0.1", port=9999, scheme="http")
    gateway.requestheaders(flow)
    gateway.request(flow)
    assert (flow.request.host, flow.request.port, flow.response) == ("127.0.0.1", 9999, None)
