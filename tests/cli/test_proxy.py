"""`llmitm proxy`."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import closing
from pathlib import Path

from cli.conftest import CommandLine
from harness import until
from llmitm.environment import REPLACED
from llmitm.running import Running, find


def test_says_where_it_is_and_how_to_use_it(llmitm: CommandLine) -> None:
    running = llmitm.proxy()
    path = llmitm.home.folder / "proxy.out"
    said: str = until(lambda: path.read_text().count("\n") >= 2 and path.read_text())
    assert f"proxy at {running.url}" in said
    assert f"{running.url}/openai/v1" in said
    assert "llmitm run" in said
    assert "other machines" not in said


def test_says_that_other_machines_can_reach_it(llmitm: CommandLine) -> None:
    assert llmitm.proxy("--host", "0.0.0.0").host == "127.0.0.1"
    path = llmitm.home.folder / "proxy.out"
    until(lambda: "other machines can reach it" in path.read_text(), path.read_text)


def test_is_found_at_another_address_of_this_machine(llmitm: CommandLine) -> None:
    running = llmitm.proxy("--host", "127.0.0.9")
    assert running.host == "127.0.0.9"
    shown = json.loads(llmitm("env", "-f", "json").stdout)
    assert shown["HTTPS_PROXY"] == running.url == f"http://127.0.0.9:{running.port}"


def test_is_one_process_that_ends_by_a_signal(llmitm: CommandLine) -> None:
    llmitm.proxy()
    (process,) = llmitm.started
    state = json.loads(llmitm.home.running.read_text())
    assert state["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert not llmitm.home.running.exists()
    assert find(llmitm.home) is None


def test_a_second_one_is_refused_with_the_first_ones_place(beside_proxy: CommandLine) -> None:
    running = find(beside_proxy.home)
    assert running is not None
    done = beside_proxy("proxy", "--port", "0")
    assert done.returncode == 3
    assert running.url in done.stderr


def test_a_port_that_is_taken_is_an_error(llmitm: CommandLine) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = llmitm("proxy", "--port", str(port))
    assert done.returncode != 0
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_note_of_a_dead_proxy_is_no_proxy(llmitm: CommandLine) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    dead = {"pid": os.getpid(), "host": "127.0.0.1", "port": port}
    for note in (json.dumps(dead), "{", "[]", '{"port": "x"}', '{"port": 1}'):
        llmitm.home.running.write_text(note)
        assert find(llmitm.home) is None


def test_another_server_on_that_port_is_no_proxy(llmitm: CommandLine) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        running = Running(server.getsockname()[1])
        server.settimeout(10)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        assert running.health() is None
        thread.join()


def test_has_the_users_environment_and_not_a_clients(beside_proxy: CommandLine) -> None:
    pid = json.loads(beside_proxy.home.running.read_text())["pid"]
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert not [each for each in variables if each.startswith((REPLACED.encode(), b"HTTPS_PROXY"))]
