"""Programs that are connected to an LLM host around the proxy, as Linux shows them in /proc.

A connection tells an address and no name. It is held against the addresses that the resolver gives for LLM hosts; one
that is named by its address, as a server of the user's own, needs no resolver. Services of one cloud share addresses,
so a match says no more than that it may be so.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from llmitm.sockets_table import Address, Socket, address, linux

PROC = Path("/proc")
_OPEN = (1, 2)
"""Established, and being established: a connection that a firewall swallows stays there."""
_PROXIES = re.compile(r"llmitm\.mitm\b|(?:^|/)mitm(?:dump|proxy|web)\b", re.MULTILINE)
"""In a command line: those whose connections to providers are meant to be."""
_THREADS = 16

type Hosts = Mapping[Address, tuple[str, ...]]
"""The names that have an address."""


class Program(NamedTuple):
    """A running program of the user's."""

    process: int
    command: tuple[str, ...]
    sockets: frozenset[int]
    """Inodes."""

    @property
    def name(self) -> str:
        """What it is called, with its first argument: `node` alone would say little."""
        return " ".join([Path(self.command[0]).name, *self.command[1:2]])


class Bypass(NamedTuple):
    """A program with a connection that is not through the proxy."""

    program: Program
    hosts: tuple[str, ...]
    """Those that have the address."""


def sockets(links: Iterable[str]) -> frozenset[int]:
    """Return the inodes among what the descriptors of a program lead to."""
    found = (re.fullmatch(r"socket:\[(\d+)\]", link) for link in links)
    return frozenset(int(match[1]) for match in found if match)


def bypasses(table: Iterable[Socket], programs: Iterable[Program], hosts: Hosts) -> list[Bypass]:
    """Return which programs are connected to `hosts` themselves. Proxies of ours are not meant."""
    reached = {
        each.inode: hosts[each.remote]
        for each in table
        if each.state in _OPEN and each.remote in hosts
    }
    found = []
    for program in programs:
        names = {name for inode in program.sockets & reached.keys() for name in reached[inode]}
        if names and not _PROXIES.search("\n".join(program.command)):
            found.append(Bypass(program, tuple(sorted(names))))
    return found


def seen(hosts: Hosts, proc: Path = PROC) -> list[Bypass]:
    """Look at this machine. Only the user's own programs show their sockets."""
    return bypasses(_read_table(proc), _read_programs(proc), hosts)


def _read_table(proc: Path) -> Iterator[Socket]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            yield from linux((proc / "net" / name).read_text())


def _read_programs(proc: Path) -> Iterator[Program]:
    for folder in proc.glob("[0-9]*"):
        # A program may end while it is looked at.
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                command = (folder / "cmdline").read_text(errors="replace").split("\0")
                if command[0]:
                    yield Program(int(folder.name), tuple(command), sockets(_links(folder / "fd")))


def _links(folder: Path) -> Iterator[str]:
    for descriptor in folder.iterdir():
        with contextlib.suppress(OSError):
            yield str(descriptor.readlink())


def resolved(names: Iterable[tuple[str, int]], seconds: float = 3) -> Hosts:
    """Return the addresses of hosts with their ports, as far as the resolver tells them in time.

    Threads that wait for a slow one are left behind. What is an address already comes first, and is always among them.
    """
    wanted = sorted(set(names), key=_needs_resolver)
    left: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    told: queue.SimpleQueue[tuple[str, list[Address]]] = queue.SimpleQueue()
    for each in wanted:
        left.put(each)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                name, port = left.get_nowait()
                told.put((name, _lookup(name, port)))

    for _ in range(min(_THREADS, len(wanted))):
        threading.Thread(target=work, daemon=True).start()
    found: dict[Address, tuple[str, ...]] = {}
    deadline = time.monotonic() + seconds
    with contextlib.suppress(queue.Empty):
        for _ in wanted:
            name, addresses = told.get(timeout=max(0.0, deadline - time.monotonic()))
            for place in addresses:
                found[place] = (*found.get(place, ()), name)
    return found


def _needs_resolver(host: tuple[str, int]) -> bool:
    try:
        ip_address(host[0].strip("[]"))
    except ValueError:
        return True
    return False


def _lookup(name: str, port: int) -> list[Address]:
    try:
        told = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({address(str(place[0]), port) for *_, place in told}, key=str)
