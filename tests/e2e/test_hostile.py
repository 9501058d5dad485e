"""Whatever bytes a provider sends, and whatever a client asks with, pass the proxy as they are and leave a row each."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.hostile import RawProvider
from harness import Kind, running_proxy
from llmitm.calls import Exchange, header
from llmitm.home import Home
from mutated import sources

SEED = 3
COUNT = 100
HOSTS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")


def _inputs(host: str) -> list[Exchange]:
    """Return mutated calls to a host that HTTP can carry."""
    some = [source for source in sources.of_samples() if source.exchange.host == host]
    made = (some[number % len(some)].mutated(SEED, number) for number in range(COUNT * 2))
    return [_sendable(exchange) for exchange in made if exchange.method == "POST"][:COUNT]


def _sendable(exchange: Exchange) -> Exchange:
    """Return a call with what mutations made of its bodies, and a head that a client and a server can write."""
    kinds = {
        name: value
        for name in ("content-type", "content-encoding")
        if (value := header(exchange.response_headers, name))
        and value.isascii()
        and value.isprintable()
    }
    status = exchange.status if exchange.status and 200 <= exchange.status < 600 else 200
    if status in (204, 304):
        status = 200
    # A body that asks for a stream without its usage is changed on purpose.
    body = exchange.request_body.replace(b"stream", b"strean")
    return replace(exchange, status=status, response_headers=list(kinds.items()), request_body=body)


@pytest.mark.parametrize(
    ("host", "kind"), [*((host, "llmitm") for host in HOSTS), (HOSTS[0], "addon")]
)
def test_any_bytes_pass_as_they_are(host: str, kind: Kind, tmp_path: Path) -> None:
    inputs = _inputs(host)
    with (
        RawProvider(tmp_path, HOSTS, inputs).running() as provider,
        running_proxy(kind, Home(tmp_path / "llmitm"), provider) as proxy,
    ):
        context = ssl.create_default_context(cafile=str(proxy.home.ca_certificate))
        client = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=30)
        client.set_tunnel(host, 443)
        for number, each in enumerate(inputs):
            headers = {"content-type": "application/json", "x-case": str(number)}
            client.request("POST", _path(each), each.request_body, headers)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (each.status, b"".join(each.chunks)), each.id
            assert provider.received[number] == each.request_body, each.id
        client.close()
        rows = proxy.wait_for_rows(len(inputs))
        counters = proxy.health()["counters"]
    assert len(rows) == len(inputs)
    assert [row["notes"] for row in rows if "could not be read: " in (row["notes"] or "")] == []
    assert not any(counters[name] for name in ("read_faults", "store_faults", "lost_calls"))


def _path(exchange: Exchange) -> str:
    """Return a path that is a call at its host."""
    return next(
        source.exchange.path
        for source in sources.of_samples()
        if exchange.id.startswith(f"{source.name}#")
    )
