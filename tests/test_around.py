"""Who is connected to LLM hosts around the proxy, by the text of /proc and on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmitm.around import PROC, Bypass, Program, bypasses, resolved, seen, sockets
from llmitm.demo.provider import LocalProvider
from llmitm.sockets_table import address, linux

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 100 1 0000000000000000 100 0 0 10 0
   1: 0A00000A:C350 0A684FA0:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 101 1 0000000000000000 20 4 30 10 -1
   2: 0A00000A:C351 0A684FA0:01BB 06 00000000:00000000 03:00000A2B 00000000     0        0 0 3 0000000000000000
   3: 0A00000A:C352 0A684FA0:01BB 02 00000001:00000000 01:00000019 00000001  1000        0 103 2 0000000000000000 200 0 0 1 7
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000A00000A:C353 0000000000000000FFFF00000A684FA0:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 104 1 0000000000000000 20 4 30 10 -1
   1: B80D0120000000000000000001000000:C354 B80D0120000000000000000053000000:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 105 1 0000000000000000 20 4 30 10 -1
"""
ANTHROPIC = address("160.79.104.10", 443)
HOSTS = {
    ANTHROPIC: ("api.anthropic.com",),
    address("2001:db8::53", 443): ("api.openai.com", "chatgpt.com"),
}


def program(*command: str, sockets: frozenset[int] = frozenset({101})) -> Program:
    return Program(4711, command, sockets)


def test_sockets_among_descriptors() -> None:
    links = ["/dev/null", "socket:[101]", "pipe:[102]", "socket:[x]", "anon_inode:[eventpoll]"]
    assert sockets(links) == {101}


def test_a_program_that_goes_around_the_proxy_is_found() -> None:
    agent = program("/usr/bin/node", "agent.js", "--key", "secret")
    assert bypasses(linux(TCP, "little"), [agent], HOSTS) == [Bypass(agent, ("api.anthropic.com",))]
    assert agent.name == "node agent.js"


def test_all_hosts_of_an_address_are_told() -> None:
    agent = program("codex", sockets=frozenset({104, 105}))
    [found] = bypasses(linux(TCP6, "little"), [agent], HOSTS)
    assert found.hosts == ("api.anthropic.com", "api.openai.com", "chatgpt.com")


@pytest.mark.parametrize(
    "command",
    [
        ("python", "-m", "llmitm.mitm", "--port", "0"),
        ("/opt/venv/bin/python", "/opt/venv/bin/mitmdump", "-s", "addon/proxy.py"),
        ("mitmweb",),
    ],
)
def test_proxies_are_not_meant(command: tuple[str, ...]) -> None:
    assert bypasses(linux(TCP, "little"), [program(*command)], HOSTS) == []


def test_others_are_left_alone() -> None:
    elsewhere = {address("160.79.104.10", 8443): ("api.anthropic.com",)}
    assert bypasses(linux(TCP, "little"), [program("node")], elsewhere) == []
    assert bypasses(linux(TCP, "little"), [program("node", sockets=frozenset({100}))], HOSTS) == []


def test_an_address_needs_no_resolver() -> None:
    found = resolved([("127.0.0.1", 8000), ("[::1]", 8000)])
    assert found == {
        address("127.0.0.1", 8000): ("127.0.0.1",),
        address("::1", 8000): ("[::1]",),
    }


CONNECT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def connected(upstream: LocalProvider) -> Iterator[int]:
    """Run a program that holds a connection to the local provider; its process number."""
    host, port = upstream.plain.split(":")
    command = [sys.executable, "-c", CONNECT, host, port]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as own:
        assert own.stdin is not None
        assert own.stdout is not None
        assert own.stdout.readline() == "connected\n"
        yield own.pid
        own.stdin.close()


@pytest.mark.skipif(not (PROC / "net" / "tcp").exists(), reason="only Linux shows connections")
def test_a_real_program_is_found_by_its_process(connected: int, upstream: LocalProvider) -> None:
    host, port = upstream.plain.split(":")
    found = {each.program.process: each for each in seen(resolved([(host, int(port))]))}
    assert found[connected].hosts == ("127.0.0.1",)
    assert found[connected].program.name.endswith(" -c")
    assert os.getpid() not in found, "the provider's own end is no call"


def test_a_machine_without_proc(tmp_path: Path) -> None:
    assert seen(HOSTS, tmp_path) == []
