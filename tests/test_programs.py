"""`scripts/clients`: what it compares, and that it leaves the network. The programs themselves need a registry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROOT
from programs.catalogue import CLAUDE, NOTES, Program
from programs.measure import measure

PYTHON = Path(sys.executable)
ASK = """
import json, os, pathlib, sys, urllib.request
assert "balloon" in pathlib.Path("{notes}").read_text()
assert pathlib.Path.home().joinpath(".config/agent").read_text() == "quick"
key = {{"authorization": f"Bearer {{os.environ['KEY']}}", "content-type": "application/json"}}
body = {{"model": os.environ["MODEL"], "messages": [{{"role": "user", "content": "Hi"}}], "stream": {stream}}}
url = "https://{host}/v1/chat/completions"
print(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), key)).read())
"""


def program(stream: bool = False, host: str = "api.openai.com", **environment: str) -> Program:
    source = ASK.format(notes=NOTES, stream=stream, host=host)
    given = {"KEY": "none", "MODEL": "mistral-small-latest", **environment}
    return Program("ours", CLAUDE, ["-c", source], given, files={".config/agent": "quick"})


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_compared(stream: bool) -> None:
    measured = measure(program(stream, "api.mistral.ai"), PYTHON)
    assert (measured.sent, measured.logged, measured.right, measured.other) == (1, 1, 1, 0)
    assert measured.fine


def test_a_call_around_the_proxy_is_not_fine() -> None:
    """It reaches nobody, as `localhost` has no provider at that port."""
    measured = measure(program(host="localhost:9"), PYTHON)
    assert measured.sent == measured.logged == 0
    assert measured.exit_code == 1
    assert not measured.fine
    assert "Connection refused" in measured.last_line


def test_a_failed_attempt_is_told_apart() -> None:
    measured = measure(program(MODEL="demo-error-500"), PYTHON)
    assert (measured.sent, measured.logged, measured.other) == (0, 0, 1)
    assert not measured.fine


def test_a_call_without_a_price_is_not_right() -> None:
    measured = measure(program(host="api.mistral.ai", MODEL="a-model-of-nobody"), PYTHON)
    assert (measured.sent, measured.logged, measured.right) == (1, 1, 0)


LEAVE = """
import socket, sys
from programs.isolation import leave_networks
fault = leave_networks()
if fault:
    sys.exit(fault)
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), timeout=5).close()
try:
    socket.create_connection(("192.0.2.1", 443), timeout=5)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has networks for one process")
def test_the_loopback_is_all_that_is_left() -> None:
    path = os.pathsep.join((str(ROOT / "scripts"), str(ROOT / "addon")))
    done = subprocess.run(
        [sys.executable, "-c", LEAVE],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode and "not allow it" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.stdout.strip() == "Network is unreachable"
