"""`llmitm env`: every form is read by the program that it is for."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import CommandLine
from llmitm.environment import REPLACED, names
from llmitm.running import find
from llmitm.tags import decode

SHOW = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


def by_shell(line: CommandLine, script: str) -> dict[str, str]:
    """Return the environment of a program that a POSIX shell starts after a script."""
    shell = ["sh", "-ec", f"{script}\n{shlex.join(SHOW)}"]
    done = subprocess.run(shell, env=line.environ, capture_output=True, text=True, check=True)
    environ: dict[str, str] = json.loads(done.stdout)
    return environ


def by_json(line: CommandLine, *arguments: str) -> dict[str, str]:
    environ: dict[str, str] = json.loads(line("env", "-f", "json", *arguments).stdout)
    return environ


def test_a_shell_gets_what_run_sets(beside_proxy: CommandLine) -> None:
    by_env = by_shell(beside_proxy, beside_proxy("env").stdout)
    by_run = json.loads(beside_proxy("run", "-q", "--", *SHOW).stdout)
    running = find(beside_proxy.home)
    assert running is not None
    assert by_env["HTTPS_PROXY"] == running.url
    for name in names():
        if by_env[name] != running.url:
            assert by_env[name] == by_run[name], name
    assert by_json(beside_proxy) == {name: by_env[name] for name in names()}


def test_unset_puts_everything_back(beside_proxy: CommandLine) -> None:
    line = beside_proxy
    line.environ["NODE_OPTIONS"] = "--title=it's"
    try:
        before = by_shell(line, ":")
        eval_ = f'eval "$({shlex.join(line.command("env"))})"'
        unset = f'eval "$({shlex.join(line.command("env", "--unset"))})"'
        assert by_shell(line, eval_) != before
        assert by_shell(line, f"{eval_}\n{unset}") == before
        assert by_shell(line, f"{eval_}\n{eval_}\n{unset}") == before
    finally:
        del line.environ["NODE_OPTIONS"]


def test_tags_go_into_the_url(beside_proxy: CommandLine) -> None:
    url = by_json(beside_proxy, "-t", "project=a,b")["HTTPS_PROXY"]
    run_id, tags = decode(url.removeprefix("http://").rpartition("@")[0])
    assert run_id
    assert tags == {"project": "a,b"}


def test_a_port_may_be_named(beside_proxy: CommandLine) -> None:
    done = beside_proxy("env", "-f", "json", "-p", "1")
    assert json.loads(done.stdout)["HTTPS_PROXY"] == "http://127.0.0.1:1"
    assert done.stderr == (
        "llmitm: no proxy answers at http://127.0.0.1:1; start it: llmitm proxy\n"
    )


def test_without_a_proxy_it_names_the_port_of_the_settings(llmitm: CommandLine) -> None:
    llmitm.home.settings.write_text("[proxy]\nport = 2")
    done = llmitm("env", "-f", "json")
    environ = json.loads(done.stdout)
    assert environ["HTTPS_PROXY"] == "http://127.0.0.1:2"
    assert "llmitm proxy" in done.stderr
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert Path(environ[name]).is_file()


def test_base_urls(beside_proxy: CommandLine) -> None:
    environ = by_json(beside_proxy, "--base-url")
    assert environ["OPENAI_BASE_URL"].endswith("/openai/v1")
    assert "HTTPS_PROXY" not in environ


def test_dotenv_is_read_by_a_shell_too(beside_proxy: CommandLine) -> None:
    text = beside_proxy("env", "-f", "dotenv").stdout
    assert REPLACED not in text
    environ = by_shell(beside_proxy, f"set -a\n{text}")
    assert {name: environ[name] for name in names()} == by_json(beside_proxy)


@pytest.mark.parametrize(
    ("shell", "form", "read"),
    [("fish", "fish", "source"), ("pwsh", "powershell", "")],
)
def test_other_shells(beside_proxy: CommandLine, shell: str, form: str, read: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on PATH")
    script = f"{beside_proxy('env', '-f', form).stdout}\n{shlex.join(SHOW)}"
    done = subprocess.run(
        [program, "-c", script],
        env=beside_proxy.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    environ = json.loads(done.stdout)
    assert {name: environ[name] for name in names()} == by_json(beside_proxy)


def test_a_container_finds_the_files_where_the_variables_say(beside_proxy: CommandLine) -> None:
    words = shlex.split(beside_proxy("env", "-f", "docker", "-t", "a=b").stdout)
    assert words.pop(0) == "--add-host=host.docker.internal:host-gateway"
    options = list(zip(words[::2], words[1::2], strict=True))
    mounts = [value.split(":") for option, value in options if option == "-v"]
    environ = dict(value.split("=", 1) for option, value in options if option == "-e")
    assert set(environ) == set(names())
    assert all(Path(file).exists() and mode == "ro" for file, _, mode in mounts)
    inside = {place: Path(file) for file, place, _ in mounts}
    assert inside[environ["SSL_CERT_FILE"]].read_bytes().startswith(b"# llmitm")
    assert inside[environ["NODE_EXTRA_CA_CERTS"]] == beside_proxy.home.ca_certificate
    preload = environ["NODE_OPTIONS"].removeprefix("--require=")
    assert (inside["/llmitm/preload"] / os.path.relpath(preload, "/llmitm/preload")).is_file()
    store = next(w for w in environ["JAVA_TOOL_OPTIONS"].split() if "trustStore=" in w)
    assert inside[store.partition("=")[2]].is_file()
    assert "@host.docker.internal:" in environ["HTTPS_PROXY"]
    assert str(beside_proxy.home.folder) not in " ".join(environ.values())


def test_compose_is_yaml(beside_proxy: CommandLine) -> None:
    yaml = pytest.importorskip("ruamel.yaml", reason="comes with mitmproxy")
    text = beside_proxy("env", "-f", "compose").stdout
    (section,) = yaml.YAML(typ="safe").load(text).values()
    assert set(section["environment"]) == set(names())
    assert len(section["volumes"]) == 4
    assert section["extra_hosts"] == ["host.docker.internal:host-gateway"]


@pytest.mark.parametrize("form", ["docker", "compose"])
def test_unset_in_a_container_is_a_matter_of_usage(beside_proxy: CommandLine, form: str) -> None:
    done = beside_proxy("env", "--unset", "-f", form)
    assert done.returncode == 2
    assert "--unset goes with" in done.stderr
