"""The dashboard and the proxy: one shows what the other logs, and cannot be reached through it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dashboard.serving import Client
from harness import ProxyProcess, until
from llmitm.dashboard.announcement import ports
from llmitm.home import Home


@contextmanager
def command(home: Home, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `llmitm dashboard` and give its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llmitm.cli", "dashboard", "--no-open", *more],
        env=os.environ | {"LLMITM_HOME": str(home.folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with closing(process.stderr):
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", process.stderr.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def client(link: str) -> Client:
    found = Client(int(re.findall(r":(\d+)/", link)[0]))
    assert found.get(link.partition(str(found.port))[2]).status == 303
    return found


def test_it_shows_a_call_once_it_is_logged(proxy: ProxyProcess) -> None:
    with command(proxy.home, "--port", "0") as (_, link):
        dashboard = client(link)
        before = int(dashboard.get("/changed").body)
        body = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "Say <b>it</b> live"}],
        }
        request = urllib.request.Request(
            f"{proxy.url}/openai/v1/chat/completions",
            json.dumps(body).encode(),
            {"authorization": "Bearer none", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
        until(lambda: int(dashboard.get("/changed").body) > before)
        page = dashboard.page("/calls")
        assert "Say &lt;b&gt;it&lt;/b&gt; live" in page.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
@pytest.mark.parametrize("way", ["plain", "tunnel"])
def test_nobody_reaches_it_through_the_proxy(proxy: ProxyProcess, host: str, way: str) -> None:
    with command(proxy.home, "--port", "0") as (_, link):
        port = int(re.findall(r":(\d+)/", link)[0])
        token = link.partition("token=")[2]
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
        with closing(connection):
            path = f"/?token={token}"
            if way == "tunnel":
                connection.set_tunnel(host, port)
            else:
                path = f"http://{host}:{port}{path}"
            try:
                connection.request("GET", path, headers={"Host": f"127.0.0.1:{port}"})
                answer = connection.getresponse()
                status, cookie = answer.status, answer.getheader("set-cookie")
            except (OSError, http.client.HTTPException):
                status, cookie = 502, None
        assert cookie is None
        assert status >= 400


def test_another_port_of_this_machine_can_be_reached(proxy: ProxyProcess) -> None:
    """Models that run here are what some people log."""
    with socket.create_server(("127.0.0.1", 0)) as server, command(proxy.home, "--port", "0"):
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as wire:
            wire.sendall(
                f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
            )
            server.settimeout(20)
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(3) == b"GET"


def test_the_command_starts_fast_says_where_it_is_and_ends_tidily(home: Home) -> None:
    started = time.monotonic()
    with command(home, "--port", "0") as (process, link):
        took = time.monotonic() - started
        port = int(re.findall(r":(\d+)/", link)[0])
        assert port in ports(home)
        answer = client(link).get("/now")
        assert answer.status == 404
        assert "llmitm run" in answer.text
    assert process.returncode == 0
    assert ports(home) == frozenset()
    # Half a second on a machine with nothing else to do; this one may have.
    assert took < 5


def test_one_that_was_killed_is_forgotten(home: Home) -> None:
    with command(home, "--port", "0") as (process, link):
        port = int(re.findall(r":(\d+)/", link)[0])
        assert port in ports(home)
        process.kill()
        process.wait(20)
        assert ports(home) == frozenset()


def test_it_loads_neither_the_proxy_nor_what_is_slow() -> None:
    code = "import sys, llmitm.dashboard.server; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(said.stdout.split())
    assert not loaded & {"mitmproxy", "tiktoken", "rich", "pydantic", "llmitm.mitm"}
