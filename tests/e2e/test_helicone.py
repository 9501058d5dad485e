"""The tutorials of Helicone, unchanged, behind the proxy alone: nothing reaches Helicone, and all behaves as they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.test_callers import properties
from e2e.test_sdks import NODE, node_runtimes
from harness import ProxyProcess, running_proxy
from llmitm.calls import header
from llmitm.demo.log import Entry
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

CLIENTS = Path(__file__).parent / "clients"
KEY = "sk-proj-of-the-proxy-0123456789"
KEYS = {
    "OPENAI_API_KEY": KEY,
    "ANTHROPIC_API_KEY": "sk-ant-of-the-proxy-0123456789",
    "GROQ_API_KEY": "gsk_of_the_proxy_0123456789",
}
HELICONE_KEY = "sk-helicone-abcdefg-hijklmn-0123456"
BASES = ("https://ai-gateway.helicone.ai", "https://ai-gateway.helicone.ai/v1")


@pytest.fixture(scope="module")
def running(
    local_provider: LocalProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxyProcess]:
    home = Home(tmp_path_factory.mktemp("proxy") / "llmitm")
    with running_proxy("llmitm", home, local_provider, environment=KEYS) as proxy:
        yield proxy
    assert "Traceback" not in proxy.said()
    for key in (*KEYS.values(), HELICONE_KEY):
        assert key not in proxy.said()
        for file in home.folder.glob("llmitm.db*"):
            assert key.encode() not in file.read_bytes()


@pytest.fixture
def behind(running: ProxyProcess, upstream: LocalProvider) -> ProxyProcess:
    running.skip()
    upstream.log.clear()
    return running


def run(behind: ProxyProcess, case: str, base: str, **more: str) -> Any:
    """Run a case of the tutorial's program with nothing but the proxy's environment and return what it printed."""
    environment = behind.environment() | {
        "HELICONE_API_KEY": HELICONE_KEY,
        "OPENAI_API_KEY": "",
        "BASE_URL": base,
        **more,
    }
    command = [sys.executable, str(CLIENTS / "helicone_tutorial.py"), case]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\nThe proxy said:\n{behind.said()}"
    return json.loads(done.stdout)


def named(behind: ProxyProcess, row: dict[str, Any]) -> dict[str, str]:
    """Return the properties of a call, their names as HTTP/2 and some clients write them."""
    return {name.lower(): value for name, value in properties(behind, row).items()}


def check_sent(entry: Entry, host: str = "api.openai.com", key: str = KEY) -> None:
    """Nothing of Helicone's is left on a call, and the key is the provider's."""
    assert entry.host == host
    assert header(entry.headers, "authorization") == f"Bearer {key}"
    assert not [name for name, _ in entry.headers if name.lower().startswith("helicone")]
    assert HELICONE_KEY not in str(entry.headers)


@pytest.mark.parametrize("base", BASES)
def test_first_call(behind: ProxyProcess, upstream: LocalProvider, base: str) -> None:
    said = run(behind, "first_call", base)
    [entry] = upstream.log
    check_sent(entry)
    assert entry.target == "/v1/chat/completions"
    assert said == entry.text
    [row] = behind.wait_for_rows()
    assert (row["provider"], row["model_requested"], row["outcome"]) == (
        "openai",
        "gpt-4o-mini",
        "ok",
    )
    assert row["cost_usd"] > 0


@pytest.mark.parametrize("base", BASES)
def test_models_of_others(behind: ProxyProcess, upstream: LocalProvider, base: str) -> None:
    said = run(behind, "models_of_others", base)
    assert said == [entry.text for entry in upstream.log]
    check_sent(upstream.log[0], "api.anthropic.com", KEYS["ANTHROPIC_API_KEY"])
    check_sent(upstream.log[1], "api.groq.com", KEYS["GROQ_API_KEY"])
    assert json.loads(upstream.log[0].body)["model"] == "claude-sonnet-4-5"
    assert json.loads(upstream.log[1].body)["model"] == "llama-3.3-70b-versatile"


def test_a_streamed_call(behind: ProxyProcess, upstream: LocalProvider) -> None:
    said = run(behind, "stream", BASES[0])
    assert said == upstream.log[0].text
    [row] = behind.wait_for_rows()
    assert row["streaming"]


@pytest.mark.parametrize("base", BASES)
def test_a_two_step_agent(behind: ProxyProcess, upstream: LocalProvider, base: str) -> None:
    run(behind, "agent", base)
    assert len(upstream.log) == 2
    for entry in upstream.log:
        check_sent(entry)
    rows = behind.wait_for_rows(2)
    assert [row["user"] for row in rows] == ["alice", "alice"]
    told = [named(behind, row) for row in rows]
    assert [(each["workflow"], each["step"]) for each in told] == [
        ("research_agent", "plan"),
        ("research_agent", "write"),
    ]


def test_the_second_call_is_a_hit(behind: ProxyProcess, upstream: LocalProvider) -> None:
    said = run(behind, "cached", BASES[0])
    assert len(upstream.log) == 1
    assert [each["cache"] for each in said] == ["MISS", "HIT"]
    assert said[0]["text"] == said[1]["text"]
    rows = behind.wait_for_rows(2)
    assert [row["cache"] for row in rows] == ["miss", "hit"]
    assert rows[1]["cost_usd"] == 0


def test_retries_at_429(behind: ProxyProcess, upstream: LocalProvider) -> None:
    said = run(behind, "retried", BASES[1])
    assert [entry.status for entry in upstream.log] == [429, 429, 200]
    for entry in upstream.log:
        check_sent(entry)
    assert said == {"text": upstream.log[2].text, "retries": "2"}
    [row] = behind.wait_for_rows()
    assert (row["outcome"], row["attempts"]) == ("ok", 3)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("base", BASES)
def test_fallback_to_a_smaller_model(
    behind: ProxyProcess, upstream: LocalProvider, base: str, status: int
) -> None:
    said = run(behind, "fallback", base, STATUS=str(status))
    assert [entry.status for entry in upstream.log] == [status, 200]
    for entry in upstream.log:
        check_sent(entry)
    assert [json.loads(entry.body)["model"] for entry in upstream.log][1] == "gpt-4o-mini"
    assert said == {"text": upstream.log[1].text, "index": "0", "model": "gpt-4o-mini"}
    [row] = behind.wait_for_rows()
    assert (row["model"], row["fallback_index"]) == (upstream.log[1].model, 0)
    assert row["model_requested"] == f"demo-error-{status}"


def test_no_fallback_at_other_codes(behind: ProxyProcess, upstream: LocalProvider) -> None:
    said = run(behind, "fallback", BASES[0], STATUS="502")
    assert [entry.status for entry in upstream.log] == [502]
    assert said == {"error": 502}


def test_the_older_hosts(behind: ProxyProcess, upstream: LocalProvider) -> None:
    """An app's own key goes to the provider; Helicone's is taken off."""
    run(behind, "older_hosts", "")
    hosts = [
        "api.openai.com",
        "api.openai.com",
        "api.groq.com",
        "api.groq.com",
        "api.anthropic.com",
    ]
    assert [entry.host for entry in upstream.log] == hosts
    for entry in upstream.log:
        check_sent(entry, entry.host, "0123456789abcdef-of-the-app")


CURL = """
curl -sS --fail-with-body {url}/chat/completions \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $HELICONE_API_KEY" \\
  -H "Helicone-Property-Environment: development" \\
  -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello!"}}]}}'
"""


@pytest.mark.parametrize("base", BASES)
def test_curl(behind: ProxyProcess, upstream: LocalProvider, base: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH")
    environment = behind.environment() | {"HELICONE_API_KEY": HELICONE_KEY}
    done = subprocess.run(
        ["sh", "-c", CURL.format(url=base)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [entry] = upstream.log
    check_sent(entry)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == entry.text
    [row] = behind.wait_for_rows()
    assert named(behind, row)["environment"] == "development"


@pytest.mark.parametrize("node", node_runtimes())
@pytest.mark.parametrize("base", BASES)
def test_node(node: str, behind: ProxyProcess, upstream: LocalProvider, base: str) -> None:
    if not (NODE / "node_modules" / "openai").is_dir():
        pytest.skip("the Node SDKs are not installed: run npm install in tests/node")
    environment = behind.environment() | {
        "HELICONE_API_KEY": HELICONE_KEY,
        "BASE_URL": base,
        "OPENAI_API_KEY": "",
    }
    done = subprocess.run(
        [node, str(NODE / "helicone.mjs")],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [entry] = upstream.log
    check_sent(entry)
    assert json.loads(done.stdout) == entry.text
    [row] = behind.wait_for_rows()
    assert row["user"] == "alice"
    assert named(behind, row)["workflow"] == "research_agent"


def test_other_paths_and_hosts(behind: ProxyProcess, upstream: LocalProvider) -> None:
    said = run(behind, "elsewhere", BASES[0])
    assert said["unknown model"][0] == 404
    assert "gpt-4o-mini" in said["unknown model"][1]
    assert said["no target"][0] == 400
    assert "Helicone-Target-URL" in said["no target"][1]
    assert said["bad target"][0] == 400
    assert "allow" in said["bad target"][1]
    assert "gpt-4o-mini" in said["models"]
    assert not upstream.log
    assert os.environ.get("HELICONE_API_KEY") is None
