"""Tables of sockets, as Linux and lsof print them, and as nobody would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm import sockets_table
from llmitm.callers import netlink
from llmitm.sockets_table import OpenSocket, Socket, address

_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
_REST = "00000000:00000000 00:00000000 00000000"
IPV4 = (
    _HEAD
    + f"   0: 00000000:1F90 00000000:0000 0A {_REST}  1000        0 100 1 0 100 0 0 10 0\n"
    + f"   1: 0100007F:1F90 0100007F:D431 01 {_REST}  1000        0 101 1 0 20 4 30 10 -1\n"
    + f"   2: 0100007F:D431 0100007F:1F90 01 {_REST}  1001        0 102 1 0 20 4 30 10 -1\n"
)
IPV6 = (
    _HEAD
    + f"   0: 00000000000000000000000001000000:D432 00000000000000000000000001000000:1F90 01 {_REST}  1000 0 201 1\n"
    + f"   1: 0000000000000000FFFF00000100007F:D433 0000000000000000FFFF00000100007F:1F90 01 {_REST}  1000 0 202 1\n"
    + f"   2: B80D01200000000000000000EFBEADDE:D434 B80D0120000000000000000001000000:1F90 01 {_REST}  1000 0 203 1\n"
)
LSOF = """p812
f23
n127.0.0.1:54321->127.0.0.1:8080
p4711
f9
n*:8080
f11
n127.0.0.1:8080->127.0.0.1:54321
p4712
f5
n[::1]:54322->[::1]:8080
n[fe80:1::1]:54323->[fe80:1::1]:8080
"""


def test_linux_ipv4() -> None:
    listening, _, client = sockets_table.linux(IPV4, "little")
    assert listening == Socket(address("0.0.0.0", 8080), address("0.0.0.0", 0), 10, 1000, 100)
    assert client == Socket(address("127.0.0.1", 54321), address("127.0.0.1", 8080), 1, 1001, 102)


def test_linux_ipv6_and_ipv4_spoken_by_ipv6() -> None:
    own, mapped, other = sockets_table.linux(IPV6, "little")
    assert (own.local, own.inode) == (address("::1", 54322), 201)
    assert (mapped.local, mapped.remote) == (
        address("127.0.0.1", 54323),
        address("127.0.0.1", 8080),
    )
    assert other.local == address("2001:db8::dead:beef", 54324)


def test_the_order_of_bytes_is_the_machines() -> None:
    text = _HEAD + f"0: 7F000001:1F90 7F000001:D431 01 {_REST} 0 0 7\n"
    (found,) = sockets_table.linux(text, "big")
    assert found.local == address("127.0.0.1", 8080)


def test_find_takes_the_ends_the_right_way_round() -> None:
    client, proxy = address("127.0.0.1", 54321), address("127.0.0.1", 8080)
    found = sockets_table.find(IPV4, client, proxy)
    assert found is not None
    assert found.inode == 102
    assert sockets_table.find(IPV4, client, address("127.0.0.2", 8080)) is None
    assert sockets_table.find(IPV4, address("10.0.0.1", 54321), proxy) is None


def test_lsof() -> None:
    assert list(sockets_table.lsof(LSOF)) == [
        OpenSocket(812, address("127.0.0.1", 54321), address("127.0.0.1", 8080)),
        OpenSocket(4711, address("127.0.0.1", 8080), address("127.0.0.1", 54321)),
        OpenSocket(4712, address("::1", 54322), address("::1", 8080)),
        OpenSocket(4712, address("fe80:1::1", 54323), address("fe80:1::1", 8080)),
    ]


def test_an_address_with_a_zone() -> None:
    assert address("fe80::1%lo0", 1) == address("fe80::1", 1)
    with pytest.raises(ValueError, match="not appear to be"):
        address("localhost", 1)


_ODD = st.lists(
    st.sampled_from([*IPV4.split(" "), *LSOF.splitlines(), "\n", "p", "n->", "f", "n:->:", "p²"])
    | st.text()
).map(" ".join)


@given(_ODD | st.text())
def test_hostile_text(text: str) -> None:
    here = address("127.0.0.1", 8080)
    list(sockets_table.linux(text))
    list(sockets_table.lsof(text.replace(" ", "\n")))
    sockets_table.find(text, here, here)


@given(st.binary(max_size=200))
def test_hostile_netlink(message: bytes) -> None:
    ends = address("127.0.0.1", 54321), address("127.0.0.1", 8080)
    try:
        assert netlink.answer(message, *ends) is None
    except OSError:
        return
