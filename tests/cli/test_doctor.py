"""`llmitm doctor`, with the programs that are on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import certifi
import pytest

from harness import running_proxy, until
from llmitm.around import PROC
from llmitm.cli import main
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home
from llmitm.providers import hosts
from llmitm.runtimes import RUNTIMES, prove
from llmitm.store.writer import Writer
from llmitm.trust import ensure


@pytest.fixture(autouse=True)
def free_port(home: Home) -> None:
    """Whatever else runs on this machine has no part in the tests."""
    home.settings.write_text("[proxy]\nport = 0\n")


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver knows no LLM host here, as on a machine without a network."""
    resolve = socket.getaddrinfo

    def numbers(host: Any, *arguments: Any, **options: Any) -> Any:
        if not str(host).replace(".", "").isdigit() and host not in ("localhost", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", numbers)


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json", *arguments])
    return code, {each["name"]: each for each in json.loads(capsys.readouterr().out)}


def test_proves_every_runtime_of_this_machine(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = findings(capsys)
    names = {each.name for each in RUNTIMES if shutil.which(each.name)}
    assert names, "not even curl or git is on PATH"
    assert {name: found[name]["text"] for name in names if found[name]["state"] != "ok"} == {}
    assert code == 0
    assert not home.database.exists(), "its own calls are not the user's"
    assert not home.running.exists()


def test_prints_a_line_for_each_finding(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line[2:].split()[0] for line in lines]
    assert names == [
        "settings",
        "ca",
        "bundle",
        "proxy",
        "database",
        "clock",
        "prices",
        "encodings",
    ]


@pytest.mark.parametrize("name", [each.name for each in RUNTIMES])
def test_says_when_a_call_is_not_captured(home: Home, name: str) -> None:
    """Here because the client is given public roots only."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on PATH")
    ensure(home, hosts.load().names())
    home.ca_certificate.write_bytes(b"")
    runtimes = [each for each in RUNTIMES if each.name == name]
    [proof] = prove(home, Path(certifi.where()), os.environ, runtimes)
    assert not proof.captured
    assert proof.version
    assert "certificate" in proof.said.lower()


def test_says_that_it_cannot_know_who_goes_around_the_proxy(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = findings(capsys)
    assert found["around"]["state"] == "note"
    assert found["around"]["text"].startswith("unknown: ")


@pytest.mark.skipif(not (PROC / "net" / "tcp").exists(), reason="only Linux shows connections")
def test_names_a_program_that_goes_around_the_proxy(
    home: Home, upstream: LocalProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is connected to a server of the user's own, which the settings name."""
    provider = f'[[provider]]\nname = "own"\nhosts = ["http://{upstream.plain}"]\n'
    home.settings.write_text(f"[proxy]\nport = 0\n{provider}")
    wait = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
    command = [sys.executable, "-c", f"{wait}; print(flush=True); sys.stdin.read()"]
    command.append(upstream.plain.split(":")[1])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdout.readline()
        assert main(["doctor"]) == 0
        program.stdin.close()
    [line] = [
        line for line in capsys.readouterr().out.splitlines() if f"process {program.pid}" in line
    ]
    assert line.startswith("– around")
    assert "is connected to 127.0.0.1" in line


def test_wrong_settings(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.settings.write_text("[proxy]\nprot = 1\n")
    code, found = findings(capsys, "--quick")
    assert code == 1
    assert found["settings"]["state"] == "problem"
    assert "proxy.prot" in found["settings"]["text"]


def test_a_port_that_is_taken(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        home.settings.write_text(f"[proxy]\nport = {port}\n")
        code, found = findings(capsys, "--quick")
    assert code == 1
    assert str(port) in found["proxy"]["text"]
    assert found["proxy"]["fix"]


def test_a_client_that_refused_the_running_proxy(
    home: Home, upstream: LocalProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not on PATH")
    with running_proxy("llmitm", home, upstream) as proxy:
        home.running.write_text(json.dumps({"pid": proxy.process.pid, "port": proxy.port}))
        code, found = findings(capsys, "--quick")
        assert (code, found["proxy"]["state"]) == (0, "ok")
        assert proxy.url in found["proxy"]["text"]
        command = [curl, "-sS", "--cacert", certifi.where(), "https://api.openai.com/v1/models"]
        done = subprocess.run(
            command, env=proxy.environment(), capture_output=True, text=True, check=False
        )
        assert "certificate" in done.stderr
        until(lambda: proxy.health()["refusals"])
        code, found = findings(capsys, "--quick")
    assert (code, found["refused"]["state"]) == (1, "problem")
    assert "api.openai.com" in found["refused"]["text"]
    assert upstream.log == []


def test_a_key_that_others_can_read(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ensure(home, hosts.load().names())
    (home.ca / "mitmproxy-ca.pem").chmod(0o644)
    code, found = findings(capsys, "--quick")
    assert (code, found["ca key"]["state"]) == (1, "problem")


def test_a_log_that_is_no_log(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.database.write_bytes(b"this is no database, whatever its name says" * 100)
    code, found = findings(capsys, "--quick")
    assert (code, found["database"]["state"]) == (1, "problem")


def test_a_damaged_log(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    Writer(home.database).close()
    with home.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"?" * 8192)
    code, found = findings(capsys, "--quick")
    assert (code, found["database"]["state"]) == (1, "problem")
    assert "damaged" in found["database"]["text"]


def test_a_clock_that_is_behind(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The log was last written at a time that is yet to come."""
    home.database.touch()
    os.utime(home.database, (2**32, 2**32))
    code, found = findings(capsys, "--quick")
    assert (code, found["clock"]["state"]) == (1, "problem")
    assert "2106" in found["clock"]["text"]
