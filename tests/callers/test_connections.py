"""Each connection is looked at once, by a thread that nobody waits for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

import pytest

from llmitm.callers.connections import Connections
from llmitm.sockets_table import Address

PROXY = ("127.0.0.1", 8080)


def ends(client: Address, _proxy: Address) -> Mapping[str, str]:
    return {"process.pid": str(client.port)}


def test_a_connection_is_looked_at_once() -> None:
    looked: list[int] = []

    def look(client: Address, proxy: Address) -> Mapping[str, str]:
        looked.append(client.port)
        return ends(client, proxy)

    connections = Connections(look)
    first = [connections.seen("a", ("127.0.0.1", 1), PROXY)() for _ in range(3)]
    assert first == [{"process.pid": "1"}] * 3
    assert connections.seen("b", ("127.0.0.1", 2), PROXY)() == {"process.pid": "2"}
    connections.forget("a")
    connections.forget("a")
    assert connections.seen("a", ("127.0.0.1", 3), PROXY)() == {"process.pid": "3"}
    connections.close()
    assert looked == [1, 2, 3]


def test_a_connection_that_has_closed_keeps_its_caller() -> None:
    connections = Connections(ends)
    told = connections.seen("a", ("::1", 1, 0, 0), PROXY)  # type: ignore[arg-type]
    connections.forget("a")
    assert told() == {"process.pid": "1"}


def test_no_thread_without_a_connection() -> None:
    before = threading.active_count()
    Connections(ends).close()
    assert threading.active_count() == before


def test_seeing_never_waits_and_telling_not_for_long() -> None:
    go_on = threading.Event()

    def hang(client: Address, proxy: Address) -> Mapping[str, str]:
        go_on.wait()
        return ends(client, proxy)

    connections = Connections(hang)
    started = time.monotonic()
    told = [connections.seen(str(port), ("127.0.0.1", port), PROXY) for port in range(1, 20)]
    assert time.monotonic() - started < 0.4
    assert [tell() for tell in told] == [{}] * 19
    assert time.monotonic() - started < 5  # only the first one waits
    go_on.set()
    last = connections.seen("last", ("127.0.0.1", 99), PROXY)
    assert told[-1]() == {} or last() == {"process.pid": "99"}
    deadline = time.monotonic() + 20
    while last() != {"process.pid": "99"}:
        assert time.monotonic() < deadline


def test_a_crowd_is_not_looked_at_to_its_end() -> None:
    go_on = threading.Event()

    def hang(client: Address, proxy: Address) -> Mapping[str, str]:
        go_on.wait()
        return ends(client, proxy)

    connections = Connections(hang)
    for port in range(1, 1_003):
        told = connections.seen(str(port), ("127.0.0.1", port), PROXY)
    assert told() == {}  # and at once
    go_on.set()


def test_a_fault_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_client: Address, _proxy: Address) -> Mapping[str, str]:
        raise RuntimeError("a fault of ours")

    connections = Connections(fail)
    with caplog.at_level(logging.ERROR, "llmitm"):
        for name in "abc":
            assert connections.seen(name, ("127.0.0.1", 1), PROXY)() == {}
    assert [record.message for record in caplog.records] == [
        "llmitm: fault in looking for who called"
    ]
    assert connections.seen("unix", ("/a/socket", 0), PROXY)() == {}
