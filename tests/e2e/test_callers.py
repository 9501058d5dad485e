"""Real programs in real repositories call through a real proxy; the log knows which, and from where."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from callers.test_repositories import git
from harness import Kind, ProxyProcess, running_proxy
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

if sys.platform != "linux":
    pytest.skip("callers are tested by their processes on Linux only", allow_module_level=True)

_AGENT = """import http.client, json, os, sys
host, port, prompt, number = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
headers = {"content-type": "application/json", "authorization": "Bearer none"}
headers |= json.loads(os.environ.get("HEADERS", "{}"))
body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
connection = http.client.HTTPConnection(host, port)
for _ in range(number):
    connection.request("POST", "/openai/v1/chat/completions", json.dumps(body), headers)
    if number == 1 and "gone" in prompt:
        os._exit(0)
    connection.getresponse().read()
sys.stdin.readline()
"""


def repository(folder: Path, branch: str, script: str) -> Path:
    """Make a repository with a program in it; return the program."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", branch)
    (folder / script).write_text(_AGENT)
    return folder / script


@contextlib.contextmanager
def agent(
    script: Path,
    proxy: ProxyProcess,
    prompt: str,
    number: int = 1,
    *,
    host: str = "127.0.0.1",
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that calls; it stays until the block ends, so that it can be looked at."""
    command = [sys.executable, script.name, host, str(proxy.port), prompt, str(number)]
    with subprocess.Popen(
        command,
        cwd=script.parent,
        stdin=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    ) as process:
        yield process
        process.communicate(b"\n", timeout=20)


def properties(proxy: ProxyProcess, row: Mapping[str, Any]) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(proxy.home.database)) as database:
        query = "SELECT name, value FROM properties WHERE call_key = ?"
        return dict(database.execute(query, (row["key"],)).fetchall())


@pytest.mark.parametrize("proxy_process", ["llmitm", "addon"], indirect=True)
def test_a_program_in_a_repository(proxy: ProxyProcess, tmp_path: Path) -> None:
    script = repository(tmp_path / "agents", "feature/x", "my_agent.py")
    with agent(script, proxy, "hello", 3) as process:
        rows = proxy.wait_for_rows(3)
    for row in rows:  # the connection was kept open
        assert properties(proxy, row) == {
            "process.pid": str(process.pid),
            "process.program": "my_agent.py",
            "process.working_directory": str(tmp_path / "agents"),
            "vcs.repository.name": "agents",
            "vcs.ref.head.name": "feature/x",
        }


@pytest.mark.parametrize("proxy_process", ["llmitm", "addon"], indirect=True)
def test_through_a_shell_and_tls(proxy: ProxyProcess, tmp_path: Path) -> None:
    script = tmp_path / "tls_agent.py"
    script.write_text(
        "import urllib.request\n"
        "request = urllib.request.Request('https://api.openai.com/v1/models')\n"
        "print(urllib.request.urlopen(request).status)\n"
        "input()\n"
    )
    with subprocess.Popen(
        ["sh", "-c", f"cd {tmp_path} && {sys.executable} tls_agent.py; true"],
        env=proxy.environment(),
        stdin=subprocess.PIPE,
    ) as process:
        (row,) = proxy.wait_for_rows(1)
        process.communicate(b"\n", timeout=20)
    found = properties(proxy, row)
    assert found["process.program"] == "tls_agent.py"
    assert found["process.pid"] != str(process.pid)


def test_two_programs_at_once(proxy: ProxyProcess, tmp_path: Path) -> None:
    scripts = {
        name: repository(tmp_path / name, f"branch-{name}", f"{name}.py")
        for name in ("one", "two", "three")
    }
    with contextlib.ExitStack() as running:
        for name, script in scripts.items():
            running.enter_context(agent(script, proxy, name, 5))
            running.enter_context(agent(script, proxy, name, 5))
        rows = proxy.wait_for_rows(30)
    for row in rows:
        found = properties(proxy, row)
        name = row["prompt"]
        assert found["process.program"] == f"{name}.py"
        assert found["vcs.ref.head.name"] == f"branch-{name}"


def test_what_the_client_says_itself_wins(proxy: ProxyProcess, tmp_path: Path) -> None:
    script = repository(tmp_path / "agents", "main", "my_agent.py")
    headers = json.dumps({"Helicone-Property-VCS.Ref.Head.Name": "told"})
    with agent(script, proxy, "hello", environment={"HEADERS": headers}):
        (row,) = proxy.wait_for_rows(1)
    found = properties(proxy, row)
    assert found["vcs.ref.head.name"] == "told"
    assert found["vcs.repository.name"] == "agents"


def test_a_client_that_is_gone_at_once(proxy: ProxyProcess, tmp_path: Path) -> None:
    script = repository(tmp_path / "agents", "main", "hasty.py")
    for number in range(5):
        with contextlib.suppress(BrokenPipeError), agent(script, proxy, f"gone {number}"):
            pass
    for row in proxy.wait_for_rows(5):
        # It may have been seen, or not; it is never taken for another.
        assert properties(proxy, row).get("process.program", "hasty.py") == "hasty.py"


@pytest.mark.parametrize("kind", ["llmitm", "addon"])
def test_settings(kind: Kind, tmp_path: Path, home: Home, local_provider: LocalProvider) -> None:
    script = repository(tmp_path / "agents", "main", "my_agent.py")
    home.settings.write_text('[callers]\nkeep = ["program", "arguments"]\n')
    with running_proxy(kind, home, local_provider) as proxy:
        with agent(script, proxy, "--api-key=hunter2-Xy9"):
            (row,) = proxy.wait_for_rows(1)
        assert properties(proxy, row) == {
            "process.program": "my_agent.py",
            "process.command_args": f"{sys.executable} my_agent.py 127.0.0.1 {proxy.port}"
            " --api-key=[redacted] 1",
        }


def test_switched_off(tmp_path: Path, home: Home, local_provider: LocalProvider) -> None:
    script = repository(tmp_path / "agents", "main", "my_agent.py")
    off = {"LLMITM_CALLERS_ENABLED": "false"}
    with running_proxy("llmitm", home, local_provider, environment=off) as proxy:
        with agent(script, proxy, "hello"):
            (row,) = proxy.wait_for_rows(1)
        assert properties(proxy, row) == {}


def test_ipv6(tmp_path: Path, home: Home, local_provider: LocalProvider) -> None:
    script = repository(tmp_path / "agents", "main", "my_agent.py")
    listen = {"LLMITM_PROXY_LISTEN": "::1"}
    with running_proxy("llmitm", home, local_provider, environment=listen) as proxy:
        with agent(script, proxy, "hello", host="::1"):
            (row,) = proxy.wait_for_rows(1)
        assert properties(proxy, row)["process.program"] == "my_agent.py"
