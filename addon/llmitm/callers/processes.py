"""What is asked of a system about its processes, whichever system it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from llmitm.callers.repositories import ReadText
from llmitm.sockets_table import Address


@dataclass(frozen=True, slots=True)
class Process:
    """A process as the system shows it."""

    pid: int
    arguments: Sequence[str] = ()
    executable: str | None = None
    directory: str | None = None
    parent: int | None = None


class System(Protocol):
    """The questions. None of them raises: what cannot be found out is None."""

    def owner(self, local: Address, remote: Address) -> int | None:
        """Return the process that has the socket between two ends."""

    def process(self, pid: int) -> Process | None:
        """Return what is known of a process."""

    def files_of(self, pid: int) -> ReadText:
        """Return what reads small text files as a process sees them."""
