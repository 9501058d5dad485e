"""Find out who called: from the two ends of a connection to the facts of the process that made it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Collection, Mapping

from llmitm.callers import Caller, arguments, programs, properties, repositories
from llmitm.callers.linux import Linux
from llmitm.callers.macos import MacOS
from llmitm.callers.processes import Process, System
from llmitm.redact import Redactor
from llmitm.sockets_table import Address

_MOST_PARENTS = 4
_SYSTEMS: Mapping[str, Callable[[], System]] = {"linux": Linux, "darwin": MacOS}


def system(platform: str = sys.platform) -> System | None:
    """Return what can be asked of this system; None where nothing can."""
    made = _SYSTEMS.get(platform)
    return made() if made else None


def is_ours(host: Address) -> bool:
    """Tell whether an address is one of this machine's: nobody can listen at another."""
    if host.ip.is_loopback:
        return True
    family = socket.AF_INET if host.ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(host.ip), 0))
    except OSError:
        return False
    return True


class Looker:
    """Look for callers. Used by one thread."""

    def __init__(
        self,
        asked: System,
        kept: Collection[str],
        redactor: Redactor,
        ours: Callable[[Address], bool] = is_ours,
    ) -> None:
        self._system = asked
        self._kept = frozenset(kept)
        self._redactor = redactor
        self._is_ours = ours

    def properties(self, client: Address, proxy: Address) -> Mapping[str, str]:
        """Return the properties of the process at the other end of a connection; none where it is not known."""
        return properties(self.caller(client, proxy), self._kept)

    def caller(self, client: Address, proxy: Address) -> Caller | None:
        """Return the process at the other end of a connection."""
        if not self._is_ours(client):
            return None
        pid = self._system.owner(client, proxy)
        process = self._system.process(pid) if pid is not None else None
        if process is None or programs.is_forwarder(process.arguments, process.executable):
            return None
        by = self._starter(process)
        line = by.arguments
        repository = None
        if process.directory and not self._kept.isdisjoint(("repository", "branch")):
            files = self._system.files_of(process.pid)
            repository = repositories.find(process.directory, files)
        return Caller(
            process.pid,
            programs.name(line, by.executable),
            arguments.without_secrets(line, self._redactor) if "arguments" in self._kept else None,
            process.directory,
            *(repository or (None, None)),
        )

    def _starter(self, process: Process) -> Process:
        """Return the process that a helper works for; any other is its own."""
        for _ in range(_MOST_PARENTS):
            if not process.parent or not programs.is_helper(process.arguments):
                break
            above = self._system.process(process.parent)
            if above is None:
                break
            process = above
        return process
