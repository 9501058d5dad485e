"""Have two threads that both need Python's lock share a core while one of them works.

They take turns in any case. On two cores, each time that one lets go of the lock, which a proxy does for every read,
write and piece of TLS, the other one is woken on its own core, mostly to find the lock taken again: 17 changes of
place a call instead of 2, and a tenth to a fifth of the CPU time of the whole call (2 cores, Python 3.13).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")
_CORE = 36
"""Place of `processor` after the name in https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (2026-11-26)."""


@contextmanager
def one_core(other: int) -> Iterator[None]:
    """Keep this thread, and the one of this process with the native id `other`, on the core that the other is on.

    Does nothing where the system knows no such thing, or has one core to give. A thread that is started meanwhile
    begins where the one that starts it is; it is let go with them.
    """
    if sys.platform != "linux":
        yield
        return
    usual: dict[int, set[int]] = {}
    threads: set[int] = set()
    with suppress(OSError):
        allowed = os.sched_getaffinity(other)
        if len(allowed) > 1:
            core = {_core(other)}
            threads = _threads()
            usual = {other: allowed, 0: os.sched_getaffinity(0)}
            _keep(dict.fromkeys(usual, core))
    try:
        yield
    finally:
        if usual:
            _keep(usual)
            with suppress(OSError):  # there may be no descriptor left to look with
                _keep(dict.fromkeys(_threads() - threads, usual[other]))


def _threads() -> set[int]:
    return set(map(int, os.listdir(_TASKS)))  # noqa: PTH208  (twice a batch: without an object for each)


def _core(thread: int) -> int:
    return int((_TASKS / str(thread) / "stat").read_bytes().rpartition(b")")[2].split()[_CORE])


def _keep(cores: Mapping[int, Collection[int]]) -> None:
    if sys.platform == "linux":
        for thread, allowed in cores.items():
            with suppress(OSError):  # it has ended, or a container has taken the core away
                os.sched_setaffinity(thread, allowed)
