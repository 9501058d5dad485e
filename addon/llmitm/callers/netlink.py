"""Ask Linux for one TCP socket by its two ends, without reading through all of them.

A question and an answer of `sock_diag` (https://man7.org/linux/man-pages/man7/sock_diag.7.html): a header, then the socket's
identity. Needs no rights. Packing and reading are pure.
"""

from __future__ import annotations

import socket
import struct

from llmitm.sockets_table import Address, Socket, address

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = 1
_NO_COOKIE = 0xFFFFFFFF
_ALL_STATES = 0xFFFFFFFF
_HEADER = struct.Struct("=LHHLL")
"""Length, type, flags, number, sender."""
_QUESTION = struct.Struct("=BBBxL")
"""Family, protocol, extensions, states."""
_ENDS = struct.Struct(">HH16s16s")
"""Ports and addresses of both ends, in the order of the network."""
_DEVICE = struct.Struct("=LLL")
"""Interface, cookie."""
_STATE_AT = _HEADER.size + 1
_ENDS_AT = _HEADER.size + 4
_OWNER = struct.Struct("=LL")
_OWNER_AT = _ENDS_AT + _ENDS.size + _DEVICE.size + 12
"""The user and the inode, after the timer and both queues."""
_SECONDS = 0.5


def ask(local: Address, remote: Address) -> Socket | None:
    """Return the socket between two ends. Raises `OSError` where the system does not answer such questions."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
        asked.settimeout(_SECONDS)
        asked.sendto(question(local, remote), (0, 0))
        return answer(asked.recv(4096), local, remote)


def question(local: Address, remote: Address) -> bytes:
    """Return the message that asks for one socket."""
    family = socket.AF_INET if local.ip.version == 4 else socket.AF_INET6
    asked = (
        _QUESTION.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES)
        + _ENDS.pack(local.port, remote.port, local.ip.packed, remote.ip.packed)
        + _DEVICE.pack(0, _NO_COOKIE, _NO_COOKIE)
    )
    length = _HEADER.size + len(asked)
    return _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0) + asked


def answer(message: bytes, local: Address, remote: Address) -> Socket | None:
    """Read the answer; None where it is another socket, such as one that listens at the same port.

    Raises `OSError` where it is none: there is no such socket, or no `tcp_diag` in the kernel, which says the same.
    """
    whole = len(message) >= _OWNER_AT + _OWNER.size
    if not whole or _HEADER.unpack_from(message)[1] != _SOCK_DIAG_BY_FAMILY:
        raise OSError("sock_diag knows no such socket")
    family, state = message[_HEADER.size], message[_STATE_AT]
    local_port, remote_port, local_ip, remote_ip = _ENDS.unpack_from(message, _ENDS_AT)
    uid, inode = _OWNER.unpack_from(message, _OWNER_AT)
    found = Socket(
        _address(family, local_ip, local_port),
        _address(family, remote_ip, remote_port),
        state,
        uid,
        inode,
    )
    return found if (found.local, found.remote) == (local, remote) else None


def _address(family: int, packed: bytes, port: int) -> Address:
    if family == socket.AF_INET:
        return address(socket.inet_ntop(socket.AF_INET, packed[:4]), port)
    return address(socket.inet_ntop(socket.AF_INET6, packed), port)
