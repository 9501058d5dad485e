from __future__ import annotations

import base64
import logging

import pytest
from mitmproxy import connection, options, tls
from mitmproxy.proxy import context

from llmitm.mitm.tunnel import Tunnel
from llmitm.providers.hosts import load
from mitm import flows


class Hello:
    """What the hook reads of a ClientHello."""

    def __init__(self, sni: str | None) -> None:
        self.sni = sni


@pytest.fixture
def tunnel() -> Tunnel:
    return Tunnel(load())


def hello(sni: str | None, address: tuple[str, int] | None) -> tls.ClientHelloData:
    client = connection.Client(
        peername=("127.0.0.1", 1), sockname=("127.0.0.1", 8080), timestamp_start=0
    )
    where = context.Context(client, options.Options())
    where.server.address = address
    return tls.ClientHelloData(where, Hello(sni))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sni", "address", "ignored"),
    [
        ("api.openai.com", ("api.openai.com", 443), False),
        ("API.OpenAI.com", ("10.0.0.1", 443), False),  # transparent set-ups: the name counts
        ("bank.example", ("api.openai.com", 443), True),
        (None, ("api.anthropic.com", 443), False),
        (None, ("10.0.0.1", 443), True),
        (None, None, True),
        ("api.openai.com.evil.example", ("1.2.3.4", 443), True),
        ("notapi.openai.com", ("1.2.3.4", 443), True),
    ],
)
def test_only_llm_hosts_are_decrypted(
    tunnel: Tunnel, sni: str | None, address: tuple[str, int] | None, ignored: bool
) -> None:
    data = hello(sni, address)
    tunnel.tls_clienthello(data)
    assert data.ignore_connection is ignored
    assert tunnel.tunnelled == ignored


def test_the_label_in_the_proxy_url_is_taken_off_and_kept(tunnel: Tunnel) -> None:
    label = base64.b64encode(b"run-01:project%3Dx").decode()
    flow = flows.request("", method="CONNECT", headers={"Proxy-Authorization": f"Basic {label}"})
    tunnel.http_connect(flow)
    assert "proxy-authorization" not in flow.request.headers
    assert tunnel.userinfo(flow.client_conn) == "run-01:project%3Dx"
    tunnel.client_disconnected(flow.client_conn)
    assert tunnel.userinfo(flow.client_conn) is None


@pytest.mark.parametrize("value", ["Basic !!!", "Bearer x", "", "Basic /w=="])
def test_other_credentials_have_no_effect(tunnel: Tunnel, value: str) -> None:
    flow = flows.request("", method="CONNECT", headers={"Proxy-Authorization": value})
    tunnel.http_connect(flow)
    assert tunnel.userinfo(flow.client_conn) is None


def test_a_refused_certificate_is_one_line(
    tunnel: Tunnel, caplog: pytest.LogCaptureFixture
) -> None:
    data = hello("api.openai.com", ("api.openai.com", 443))
    client = data.context.client
    client.sni, client.error = "api.openai.com", "unknown ca"
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            tunnel.tls_failed_client(tls.TlsData(client, data.context))
    assert len(caplog.records) == 1
    assert "refused our certificate for api.openai.com" in caplog.text
    assert "llmitm run" in caplog.text
    assert [refusal.why for refusal in tunnel.refusals] == ["unknown ca"] * 2
