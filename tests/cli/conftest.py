"""The command line as its users start it: as a process, with a home of its own, before the local provider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness import ROOT, until
from llmitm.demo.provider import LocalProvider
from llmitm.environment import names
from llmitm.home import Home
from llmitm.running import Running, find

_PATH = os.pathsep.join((str(ROOT / "addon"), str(ROOT / "pricing")))


@dataclass
class CommandLine:
    """`llmitm` in a folder of its own."""

    home: Home
    environ: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """Return the command of a call."""
        return [sys.executable, "-m", "llmitm.cli", *arguments]

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        environ = self.environ | options.pop("environ", {})
        options = {"capture_output": True, "text": True, "timeout": 60} | options
        return subprocess.run(self.command(*arguments), env=environ, check=False, **options)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start it and go on."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(self.command(*arguments), env=self.environ, **options)
        self.started.append(process)
        return process

    def proxy(self, *arguments: str) -> Running:
        """Start a proxy for everybody."""
        path = self.home.folder / "proxy.out"
        with path.open("w") as output:
            process = self.start("proxy", "--port", "0", *arguments, stdout=output, stderr=output)

        def running() -> Running | None:
            assert process.poll() is None, path.read_text()
            return find(self.home)

        found: Running = until(running)
        return found

    def end(self) -> None:
        """End what was started."""
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(timeout=30)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def command_line(home: Home, provider: LocalProvider) -> CommandLine:
    """Return the command line for a home, before a provider."""
    ours = {*names(), "SSL_CERT_DIR", "ALL_PROXY", "all_proxy"}
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    environ |= {
        "LLMITM_HOME": str(home.folder),
        "PYTHONPATH": _PATH,
        "LLMITM_TEST_UPSTREAM": provider.address,
        "LLMITM_TEST_UPSTREAM_CA": str(provider.ca_file),
        "NO_COLOR": "1",
    }
    return CommandLine(home, environ)


@pytest.fixture
def llmitm(home: Home, upstream: LocalProvider) -> Iterator[CommandLine]:
    """The command line in an empty home; every LLM call goes to `upstream`."""
    line = command_line(home, upstream)
    yield line
    line.end()


@pytest.fixture(scope="module")
def beside_proxy(
    local_provider: LocalProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    """The command line where a proxy runs already; one home for all tests of a module."""
    home = Home(tmp_path_factory.mktemp("beside") / "llmitm")
    home.create()
    line = command_line(home, local_provider)
    line.proxy()
    yield line
    line.end()


def python(script: str) -> list[str]:
    """Return a command for `run`."""
    return ["--", sys.executable, "-c", script]
