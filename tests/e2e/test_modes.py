"""The ways in beside the ordinary one, and what is let through without a look."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
from pathlib import Path

import pytest

from harness import Kind, running_proxy
from llmitm.demo.provider import LocalProvider, in_thread
from llmitm.home import Home
from llmitm.providers.hosts import load
from llmitm.trust import ensure

_BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]})
_HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-none"}


@pytest.fixture
def folder(tmp_path: Path) -> Home:
    folder = Home(tmp_path / "llmitm")
    folder.create()
    ensure(folder, load().names())
    return folder


@pytest.mark.parametrize("kind", ["llmitm", "addon"])
def test_reverse_mode(kind: Kind, folder: Home, local_provider: LocalProvider) -> None:
    mode = ("--mode", "reverse:https://api.openai.com")
    with running_proxy(kind, folder, local_provider, more=mode) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        connection.request("POST", "/v1/chat/completions", _BODY, _HEADERS)
        answer = json.load(connection.getresponse())
        connection.close()
        (row,) = proxy.wait_for_rows(1)
    assert row["response"] == answer["choices"][0]["message"]["content"]
    assert (row["host"], row["output_tokens"]) == (
        "api.openai.com",
        answer["usage"]["completion_tokens"],
    )


def test_base_url(folder: Home, local_provider: LocalProvider) -> None:
    with running_proxy("llmitm", folder, local_provider) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        connection.request("POST", "/t/project=x/openai/v1/chat/completions", _BODY, _HEADERS)
        assert connection.getresponse().read()
        connection.close()
        (row,) = proxy.wait_for_rows(1)
    assert (row["host"], row["path"]) == ("api.openai.com", "/v1/chat/completions")


def test_another_host_keeps_its_certificate_and_is_not_decrypted(
    folder: Home, local_provider: LocalProvider
) -> None:
    with (
        in_thread(["localhost"]) as other,
        running_proxy("llmitm", folder, local_provider) as proxy,
    ):
        port = int(other.address.rpartition(":")[2])
        # Whoever trusts that host's own CA gets through; whoever trusts ours alone does not.
        assert _certificate(proxy.port, port, other.ca_file)
        with pytest.raises(ssl.SSLCertVerificationError):
            _certificate(proxy.port, port, folder.ca_certificate)
        assert proxy.health()["tunnelled"] == 2
        assert proxy.all_rows() == []


def _certificate(proxy_port: int, port: int, ca: Path) -> bytes:
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection("127.0.0.1", proxy_port, context=context, timeout=20)
    connection.set_tunnel("localhost", port)
    try:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        return connection.sock.getpeercert(binary_form=True) or b""
    finally:
        connection.close()


_ALLOWED = Path("/proc/sys/net/core/somaxconn")


@pytest.mark.skipif(
    not _ALLOWED.exists() or int(_ALLOWED.read_text()) < 300,
    reason="wants a system that lets 300 connections wait",
)
@pytest.mark.parametrize("kind", ["llmitm", "addon"])
def test_many_connections_may_wait_to_be_taken(
    kind: Kind, folder: Home, local_provider: LocalProvider
) -> None:
    with running_proxy(kind, folder, local_provider) as proxy, contextlib.ExitStack() as opened:
        proxy.health()
        proxy.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(300):
                address = ("127.0.0.1", proxy.port)
                opened.enter_context(socket.create_connection(address, timeout=10))
        finally:
            proxy.process.send_signal(signal.SIGCONT)
        assert proxy.health()
