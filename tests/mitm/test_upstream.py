"""Behind a proxy of the user's own, which decrypts and asks for a password, as in many companies."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import command_line, python
from harness import until
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home
from llmitm.mitm.upstream import own_proxy


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, {}),
        ({"HTTPS_PROXY": "http://corp:3128"}, {"mode": ["upstream:http://corp:3128"]}),
        ({"https_proxy": "corp:3128"}, {"mode": ["upstream:http://corp:3128"]}),
        ({"HTTPS_PROXY": "https://corp"}, {"mode": ["upstream:https://corp:443"]}),
        ({"HTTPS_PROXY": "http://[::1]:1"}, {"mode": ["upstream:http://[::1]:1"]}),
        (
            {"HTTPS_PROXY": "http://me:p%40ss@corp:3128/"},
            {"mode": ["upstream:http://corp:3128"], "upstream_auth": "me:p@ss"},
        ),
        ({"HTTPS_PROXY": "socks5://corp:1080"}, {}),
        ({"HTTPS_PROXY": "http://corp:3128", "LLMITM_TEST_UPSTREAM": "127.0.0.1:1"}, {}),
    ],
)
def test_reads_the_users_variable(environ: dict[str, str], options: dict[str, object]) -> None:
    assert own_proxy(environ) == options


ANSWERS = """
from mitmproxy import http
def request(flow):
    body = '{"object": "chat.completion", "model": "gpt-4o-mini", "choices": [{"message": {"content": "hi"}}]}'
    flow.response = http.Response.make(200, body, {"content-type": "application/json", "via": "corporate"})
"""


@contextlib.contextmanager
def corporate_proxy(folder: Path) -> Iterator[int]:
    """A plain mitmdump that asks for a password, decrypts everything and answers itself."""
    folder.mkdir()
    script, output = folder / "answers.py", folder / "output"
    script.write_text(ANSWERS)
    options = [f"confdir={folder}", "proxyauth=me:se@cret", "connection_strategy=lazy"]
    mitmdump = "from mitmproxy.tools.main import mitmdump; mitmdump()"
    command = [sys.executable, "-c", mitmdump, "--listen-host", "127.0.0.1", "--listen-port", "0"]
    command += ["-s", str(script), *(word for option in options for word in ("--set", option))]
    environ = os.environ | {"PYTHONUNBUFFERED": "1"}
    with (
        output.open("w") as out,
        subprocess.Popen(command, env=environ, stdout=out, stderr=out) as process,
    ):
        try:
            listening = re.compile(r"listening at 127\.0\.0\.1:(\d+)")
            found: re.Match[str] = until(lambda: listening.search(output.read_text()))
            yield int(found[1])
        finally:
            process.terminate()


def test_calls_go_through_it_and_trust_what_the_user_trusts(
    home: Home, upstream: LocalProvider, tmp_path: Path
) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on PATH")
    folder = tmp_path / "corporate"
    with corporate_proxy(folder) as port:
        line = command_line(home, upstream)
        del line.environ["LLMITM_TEST_UPSTREAM"], line.environ["LLMITM_TEST_UPSTREAM_CA"]
        line.environ["HTTPS_PROXY"] = f"http://me:se%40cret@127.0.0.1:{port}"
        line.environ["SSL_CERT_FILE"] = str(folder / "mitmproxy-ca-cert.pem")
        done = line(
            "run", "--", curl, "-sSi", "https://api.openai.com/v1/chat/completions", "-d", "{}"
        )
        assert "via: corporate" in done.stdout, done.stderr
        assert "1 call ·" in done.stderr
        elsewhere = line("run", "-q", "--", curl, "-sSi", "https://intranet.example/")
        assert "via: corporate" in elsewhere.stdout, elsewhere.stderr


def test_a_model_on_this_machine_is_reached_past_it(
    home: Home, upstream: LocalProvider, tmp_path: Path
) -> None:
    folder = tmp_path / "corporate"
    port = int(upstream.address.rpartition(":")[2])
    home.settings.write_text(f'[[provider]]\nname = "mine"\nhosts = ["https://127.0.0.1:{port}"]\n')
    call = (
        "import os, urllib.request, json\n"
        "base = os.environ['OPENAI_BASE_URL'].replace('/openai/v1', '/mine/v1')\n"
        "request = urllib.request.Request(base + '/models', headers={'authorization': 'Bearer sk-test'})\n"
        "print(json.load(urllib.request.urlopen(request))['object'])"
    )
    with corporate_proxy(folder) as corporate:
        line = command_line(home, upstream)
        del line.environ["LLMITM_TEST_UPSTREAM"]
        line.environ["HTTPS_PROXY"] = f"http://me:se%40cret@127.0.0.1:{corporate}"
        done = line("run", "--base-url", *python(call))
    assert done.stdout == "list\n", done.stderr
