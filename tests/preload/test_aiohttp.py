"""The shim for aiohttp in a real Python: sessions use the proxy, and the user's own start-up file still runs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import ProxyProcess
from llmitm.demo.provider import LocalProvider
from llmitm.environment import PRELOAD, variables

CALLS = """
import asyncio
import aiohttp

class Session(aiohttp.ClientSession):
    pass

async def main():
    for name, make in {
        "default": aiohttp.ClientSession,
        "distrusting": lambda: aiohttp.ClientSession(trust_env=False),
        "subclass": Session,
    }.items():
        async with make() as session, session.get(f"https://api.openai.com/v1/models/{name}") as answer:
            await answer.read()

asyncio.run(main())
"""


def python(script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shimmed(proxy: ProxyProcess, python_path: str = "") -> dict[str, str]:
    user = {**proxy.base, "PYTHONPATH": python_path}
    place = proxy.home
    ours = variables(proxy.url, place.ca_certificate, place.bundle, user, aiohttp=True)
    return {**user, **ours}


needs_aiohttp = pytest.mark.skipif(
    importlib.util.find_spec("aiohttp") is None, reason="aiohttp is not installed"
)


@needs_aiohttp
def test_every_session_uses_the_proxy(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    done = python(CALLS, shimmed(proxy))
    assert done.returncode == 0, done.stderr
    paths = [f"/v1/models/{name}" for name in ("default", "distrusting", "subclass")]
    assert [entry.path for entry in upstream.log] == paths


def test_the_users_own_start_up_file_runs_once(proxy: ProxyProcess, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('own')\nvalue = 7\n")
    script = "import sitecustomize, sys; print(sitecustomize.value, 'aiohttp' in sys.modules)"
    done = python(script, shimmed(proxy, str(tmp_path)))
    assert (done.stdout, done.stderr) == ("own\n7 False\n", "")


def test_a_fault_in_the_users_own_file_is_shown(proxy: ProxyProcess, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import no_such_module\n")
    done = python("print('runs')", shimmed(proxy, str(tmp_path)))
    assert done.stdout == "runs\n"
    assert "no_such_module" in done.stderr


def test_it_takes_no_place_on_the_path(proxy: ProxyProcess) -> None:
    done = python("import sys; print(*sys.path, sep='\\n')", shimmed(proxy))
    assert str(PRELOAD / "aiohttp") not in done.stdout.splitlines()
    assert done.stderr == ""
