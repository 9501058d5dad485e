"""What is measured: processes to start, and what the kernel says of their CPU time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_MITMDUMP = [sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()"]
_PORT = ["--listen-host", "127.0.0.1", "--listen-port", "0"]
_LISTENING = re.compile(r"listening at (?:http://)?\S*?:(\d+)")
_QUIET_SECONDS = 0.005
"""Of CPU time in a tenth of a second: less is what waiting takes."""
_PAGE = os.sysconf("SC_PAGE_SIZE")

COMMANDS = {
    "bare mitmdump": [*_MITMDUMP, *_PORT, "-s", str(Path(__file__).with_name("bare.py"))],
    "mitmdump -s": [*_MITMDUMP, *_PORT, "-s", str(ROOT / "addon" / "proxy.py")],
    "llmitm proxy": [sys.executable, "-m", "llmitm.mitm", "--port", "0", "--private"],
}
"""Proxies by the name under which they are shown; the first is the yardstick."""


@dataclass(slots=True)
class Target:
    """A running process that is measured."""

    name: str
    address: str
    process: subprocess.Popen[bytes]
    through_proxy: bool

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, all threads, to the nanosecond (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def settled_cpu(self) -> float:
        """Return the CPU seconds once it has nothing left to do, such as rows to write."""
        before, quiet = self.cpu(), 0
        while quiet < 4:
            time.sleep(0.1)
            now = self.cpu()
            quiet = quiet + 1 if now - before < _QUIET_SECONDS else 0
            before = now
        return before

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE


@contextlib.contextmanager
def started(names: list[str], folder: Path, cache: Path | None = None) -> Iterator[list[Target]]:
    """Start the upstream and the proxies; the upstream itself is the first target, named `direct`.

    `cache` is copied into the home of each proxy, as its cache.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            map(str, (ROOT / "addon", ROOT / "pricing", ROOT / "scripts"))
        ),
        "PYTHONUNBUFFERED": "1",
    }
    with contextlib.ExitStack() as stack:
        upstream = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.upstream"], env=environment, stdout=subprocess.PIPE
        )
        stack.callback(_end, upstream)
        assert upstream.stdout is not None
        ready = json.loads(upstream.stdout.readline())
        environment["LLMITM_TEST_UPSTREAM"] = ready["address"]
        environment["LLMITM_TEST_UPSTREAM_CA"] = ready["ca_file"]
        targets = [Target("direct", ready["address"], upstream, through_proxy=False)]
        for name in names:
            home = folder / name.replace(" ", "-")
            home.mkdir()
            if cache is not None:
                shutil.copy(cache, home / "cache.db")
            targets.append(_start(name, home, environment, stack))
        yield targets


def _start(
    name: str, home: Path, environment: dict[str, str], stack: contextlib.ExitStack
) -> Target:
    command = list(COMMANDS[name])
    if "mitmdump" in name:
        command += ["--set", f"confdir={home / 'ca'}"]
    reading, writing = os.pipe()
    if "mitmdump" not in name:
        command += ["--ready-fd", str(writing)]
    output = home / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=environment | {"LLMITM_HOME": str(home)},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=(writing,),
        )
    os.close(writing)
    os.set_blocking(reading, False)
    stack.callback(os.close, reading)
    stack.callback(_end, process)
    deadline = time.monotonic() + 60
    while (port := _port(output, reading)) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start: {output.read_text()}")
        time.sleep(0.05)
    return Target(name, f"127.0.0.1:{port}", process, through_proxy=True)


def _port(output: Path, ready: int) -> int | None:
    """Return the port, once a proxy has said it in its own way."""
    if found := _LISTENING.search(output.read_text()):
        return int(found[1])
    try:
        line = os.read(ready, 1000)
    except BlockingIOError:
        return None
    return int(json.loads(line)["port"]) if line else None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
