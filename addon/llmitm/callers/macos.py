"""Processes of macOS, out of what `lsof` and `ps` print. Reading their texts is pure; `run` starts them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from llmitm import sockets_table
from llmitm.callers.processes import Process
from llmitm.callers.repositories import ReadText
from llmitm.sockets_table import Address

type Run = Callable[[Sequence[str]], str]
"""Returns what a command prints; nothing where it cannot be run."""

_SECONDS = 3.0
_MOST_BYTES = 64 * 1024


class MacOS:
    """Ask `lsof` and `ps`."""

    def __init__(self, run: Run | None = None) -> None:
        self._run = run or _output

    def owner(self, local: Address, remote: Address) -> int | None:
        """Return the process that has the socket between two ends."""
        text = self._run(("/usr/sbin/lsof", "-nP", f"-iTCP:{local.port}", "-Fpn"))
        for found in sockets_table.lsof(text):
            if (found.local, found.remote) == (local, remote):
                return found.pid
        return None

    def process(self, pid: int) -> Process | None:
        """Return what is known of a process."""
        files = self._run(("/usr/sbin/lsof", "-nP", "-a", "-p", str(pid), "-d", "cwd,txt", "-Ffn"))
        line = self._run(("/bin/ps", "-ww", "-o", "ppid=,args=", "-p", str(pid)))
        parent, _, arguments = line.strip().partition(" ")
        if not parent.isdecimal():
            return None
        named = dict(reversed(list(_files(files))))
        executable = named.get("txt")
        return Process(
            pid, _split(arguments.strip(), executable), executable, named.get("cwd"), int(parent)
        )

    def files_of(self, pid: int) -> ReadText:
        """Return what reads files; every process sees the same."""
        return _read


def _files(text: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of open files: `fcwd`, `n/Users/me`, a line each. The program's is the first `txt`."""
    kind = ""
    for line in text.splitlines():
        if line.startswith("f"):
            kind = line[1:]
        elif line.startswith("n"):
            yield kind, line[1:]


def _split(line: str, executable: str | None) -> Sequence[str]:
    """Cut a command line at its spaces, but for those in the program's own path."""
    if executable and (line == executable or line.startswith(f"{executable} ")):
        return (executable, *line[len(executable) :].split())
    return tuple(line.split())


def _read(path: str) -> str | None:
    file = Path(path)
    try:
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return None


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")
