"""Programs that are connected to an LLM host around the proxy, as Linux shows them in /proc.

A connection tells an address and no name. It is held against the addresses that the resolver gives for LLM hosts; one
that is named by its address, as a server of the user's own, needs no resolver. Services of one cloud share addresses,
so a match says no more than that it may be so.
https://docs.kernel.org/networking/proc_net_tcp.html
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_OPEN = frozenset({"01", "02"})
"""Established, and being established: a connection that a firewall swallows stays there."""
_WORD = 8
"""Hex digits of an address that are one number in the machine's own order of bytes."""
_DIGITS = (_WORD, 4 * _WORD)
_PROXIES = re.compile(r"llmitm\.mitm\b|(?:^|/)mitm(?:dump|proxy|web)\b", re.MULTILINE)
"""In a command line: those whose connections to providers are meant to be."""
_THREADS = 16

Address = tuple[str, int]
"""An IP address and a port."""


class Connection(NamedTuple):
    """An open connection."""

    remote: Address
    inode: int
    """Of its socket."""


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


def connections(text: str) -> Iterator[Connection]:
    """Read /proc/net/tcp or tcp6; lines of another form are passed over."""
    for fields in map(str.split, text.splitlines()):
        if len(fields) > 9 and fields[3] in _OPEN:
            with contextlib.suppress(ValueError, struct.error):
                yield Connection(_address(fields[2]), int(fields[9]))


def _address(text: str) -> Address:
    number, _, port = text.partition(":")
    if len(number) not in _DIGITS:
        raise ValueError(text)
    words = [int(number[at : at + _WORD], 16) for at in range(0, len(number), _WORD)]
    found = ip_address(struct.pack(f"={len(words)}I", *words))
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found), int(port, 16)


def sockets(links: Iterable[str]) -> frozenset[int]:
    """Return the inodes among what the descriptors of a program lead to."""
    found = (re.fullmatch(r"socket:\[(\d+)\]", link) for link in links)
    return frozenset(int(match[1]) for match in found if match)


def bypasses(
    open_ones: Iterable[Connection],
    programs: Iterable[Program],
    hosts: Mapping[Address, tuple[str, ...]],
) -> list[Bypass]:
    """Return which programs are connected to `hosts` themselves. Proxies of ours are not meant."""
    reached = {each.inode: hosts[each.remote] for each in open_ones if each.remote in hosts}
    found = []
    for program in programs:
        names = {name for inode in program.sockets & reached.keys() for name in reached[inode]}
        if names and not _PROXIES.search("\n".join(program.command)):
            found.append(Bypass(program, tuple(sorted(names))))
    return found


def seen(hosts: Mapping[Address, tuple[str, ...]], proc: Path = PROC) -> list[Bypass]:
    """Look at this machine. Only the user's own programs show their sockets."""
    return bypasses(_read_connections(proc), _read_programs(proc), hosts)


def _read_connections(proc: Path) -> Iterator[Connection]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            yield from connections((proc / "net" / name).read_text())


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


def resolved(names: Iterable[Address], seconds: float = 3) -> dict[Address, tuple[str, ...]]:
    """Return the addresses of hosts, as far as the resolver tells them in time.

    Threads that wait for a slow one are left behind. What is an address already comes first, and is always among them.
    """
    left: queue.SimpleQueue[Address] = queue.SimpleQueue()
    told: queue.SimpleQueue[tuple[str, list[Address]]] = queue.SimpleQueue()
    wanted = set(names)
    for each in sorted(wanted, key=_needs_resolver):
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
            for address in addresses:
                found[address] = (*found.get(address, ()), name)
    return found


def _needs_resolver(address: Address) -> bool:
    try:
        ip_address(address[0].strip("[]"))
    except ValueError:
        return True
    return False


def _lookup(name: str, port: int) -> list[Address]:
    try:
        told = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({(str(address[0]), port) for *_, address in told})
