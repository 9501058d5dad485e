"""Processes of Linux, out of `/proc`. What belongs to another user cannot be looked at, and is not known."""
# Hundreds of descriptors are looked at, and a Path for each takes three times as long.
# ruff: noqa: PTH115, PTH116, PTH123, PTH208

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from llmitm import sockets_table
from llmitm.callers import netlink
from llmitm.callers.processes import Process
from llmitm.callers.repositories import ReadText
from llmitm.sockets_table import Address, Socket

_MOST_REMEMBERED = 64
_MOST_BYTES = 64 * 1024
_DELETED = " (deleted)"


class Linux:
    """Look into `/proc`. Used by one thread."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        ask: Callable[[Address, Address], Socket | None] = netlink.ask,
    ) -> None:
        self._proc = str(proc)
        self._ask = ask
        self._seen: OrderedDict[int, None] = OrderedDict()
        """Processes that had sockets before, the latest last: they are looked at first."""

    def owner(self, local: Address, remote: Address) -> int | None:
        """Return the process that has the socket between two ends."""
        found = self._socket(local, remote)
        if found is None or not found.inode:
            return None
        target = f"socket:[{found.inode}]"
        pid = next((pid for pid in self._candidates(found.uid) if self._has(pid, target)), None)
        if pid is not None:
            self._seen[pid] = None
            self._seen.move_to_end(pid)
            if len(self._seen) > _MOST_REMEMBERED:
                self._seen.popitem(last=False)
        return pid

    def process(self, pid: int) -> Process | None:
        """Return what is known of a process."""
        arguments = _read(f"{self._proc}/{pid}/cmdline")
        if arguments is None:
            return None
        return Process(
            pid,
            tuple(arguments.rstrip("\0").split("\0")) if arguments else (),
            _link(f"{self._proc}/{pid}/exe"),
            _link(f"{self._proc}/{pid}/cwd"),
            _parent(_read(f"{self._proc}/{pid}/stat") or ""),
        )

    def files_of(self, pid: int) -> ReadText:
        """Return what reads files as a process sees them, which in a container is not as we do."""
        return lambda path: _read(f"{self._proc}/{pid}/root{path}")

    def _socket(self, local: Address, remote: Address) -> Socket | None:
        try:
            return self._ask(local, remote)
        except OSError:
            # A socket of IPv6 may speak IPv4, so both tables may have it.
            tables = (_read(f"{self._proc}/net/{name}", most=None) for name in ("tcp", "tcp6"))
            found = (sockets_table.find(text, local, remote) for text in tables if text)
            return next(filter(None, found), None)

    def _candidates(self, uid: int) -> Iterator[int]:
        """Yield the processes of a user: those that had sockets before, then the youngest first."""
        remembered = list(reversed(self._seen))
        yield from remembered
        try:
            others = {int(name) for name in os.listdir(self._proc) if name.isdecimal()}
        except OSError:
            return
        for pid in sorted(others.difference(remembered), reverse=True):
            try:
                if os.stat(f"{self._proc}/{pid}").st_uid == uid:
                    yield pid
            except OSError:
                continue

    def _has(self, pid: int, target: str) -> bool:
        folder = f"{self._proc}/{pid}/fd"
        try:
            for name in os.listdir(folder):
                if _link(f"{folder}/{name}") == target:
                    return True
        except OSError:
            self._seen.pop(pid, None)  # it has ended
        return False


def _link(path: str) -> str | None:
    try:
        return os.readlink(path).removesuffix(_DELETED)
    except OSError:
        return None


def _parent(text: str) -> int | None:
    """Read `1234 (a name) S 1 ...`; the name may have brackets and spaces of its own."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[1].isdecimal() else None


def _read(path: str, most: int | None = _MOST_BYTES) -> str | None:
    """Return the text of a small file; None where it is none, or no ordinary file, which might never end."""
    try:
        # A pipe without a writer would hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return file.read(-1 if most is None else most).decode(errors="replace")
    except OSError:
        return None
