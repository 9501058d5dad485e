"""The tables of TCP sockets that systems show: `/proc/net/tcp` and `tcp6` of Linux, and what `lsof` prints on macOS.

Pure: text in, sockets out; a line that cannot be read is passed over. https://docs.kernel.org/networking/proc_net_tcp.html,
https://lsof.readthedocs.io/en/latest/manpage/#output-for-other-programs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, NamedTuple

type ByteOrder = Literal["little", "big"]


class Address(NamedTuple):
    """One end of a connection."""

    ip: IPv4Address | IPv6Address
    """IPv4 also where a socket of IPv6 speaks it (`::ffff:127.0.0.1`)."""
    port: int


class Socket(NamedTuple):
    """A line of `/proc/net/tcp`."""

    local: Address
    remote: Address
    state: int
    """1 is established, 10 is listening."""
    uid: int
    inode: int
    """0 where no process has the socket any more."""


class OpenSocket(NamedTuple):
    """A connection that `lsof` found, with who has it."""

    pid: int
    local: Address
    remote: Address


def address(host: str, port: int) -> Address:
    """Return an address as the tables have it. Raises `ValueError` where `host` is no IP address."""
    return Address(_plain(ip_address(host.partition("%")[0])), port)


def linux(text: str, order: ByteOrder = sys.byteorder) -> Iterator[Socket]:
    """Yield the sockets of `/proc/net/tcp` or `tcp6`; `order` is that of the machine which wrote it."""
    for line in text.splitlines():
        fields = line.split()
        try:
            yield Socket(
                _hex_address(fields[1], order),
                _hex_address(fields[2], order),
                int(fields[3], 16),
                int(fields[7]),
                int(fields[9]),
            )
        except (IndexError, ValueError):
            continue


def find(text: str, local: Address, remote: Address) -> Socket | None:
    """Return the connection between two ends out of `/proc/net/tcp` or `tcp6`."""
    # Reading a line takes ten times as long as finding out that it has other ports.
    ends = f":{local.port:04X} ", f":{remote.port:04X} "
    likely = "\n".join(line for line in text.splitlines() if all(end in line for end in ends))
    for found in linux(likely):
        if (found.local, found.remote) == (local, remote):
            return found
    return None


def lsof(text: str) -> Iterator[OpenSocket]:
    """Yield the connections in what `lsof -nP -iTCP -F pn` prints: a field a line, its first letter says which."""
    pid: int | None = None
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid = int(value) if value.isdecimal() else None
        elif kind == "n" and pid is not None:
            local, arrow, remote = value.partition("->")
            try:
                if arrow:
                    yield OpenSocket(pid, _shown(local), _shown(remote))
            except ValueError:
                continue


def _hex_address(field: str, order: ByteOrder) -> Address:
    """Read `0100007F:1F90`: words of 32 bits, each in the machine's own order of bytes."""
    words, _, port = field.partition(":")
    if len(words) not in (8, 32):
        raise ValueError(field)
    packed = b"".join(
        int(words[at : at + 8], 16).to_bytes(4, order) for at in range(0, len(words), 8)
    )
    ip = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return Address(_plain(ip), int(port, 16))


def _shown(text: str) -> Address:
    """Read `127.0.0.1:8080` or `[::1]:8080`."""
    host, _, port = text.rpartition(":")
    return address(host.removeprefix("[").removesuffix("]"), int(port))


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip
