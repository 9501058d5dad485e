"""Leave every network but the loopback, so that nothing a program does can reach beyond this machine (Linux)."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_IFREQ = struct.Struct("16sh22x")


def leave_networks() -> str | None:
    """Move this process, and what it starts, into a network of its own; return why that cannot be done.

    It must not have started a thread.
    """
    if sys.platform != "linux":
        return "only Linux has networks for one process"
    user, group = os.getuid(), os.getgid()
    try:
        os.unshare(os.CLONE_NEWNET if user == 0 else os.CLONE_NEWUSER | os.CLONE_NEWNET)
        if user != 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        _raise_loopback()
    except OSError as error:
        return f"this system does not allow it ({error.strerror})"
    return None


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _, flags = _IFREQ.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0)))
        fcntl.ioctl(control, _SIOCSIFFLAGS, _IFREQ.pack(b"lo", flags | _IFF_UP))
