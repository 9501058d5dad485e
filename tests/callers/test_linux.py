"""Real processes and real sockets of this machine, and a `/proc` that shows nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from llmitm.callers import Caller, netlink
from llmitm.callers.linux import Linux
from llmitm.callers.looking import Looker, is_ours, system
from llmitm.redact import Redactor
from llmitm.sockets_table import Address, Socket, address

if sys.platform != "linux":
    pytest.skip("reads /proc of Linux", allow_module_level=True)

FACTS = ("program", "directory", "repository", "branch", "pid", "arguments")
_CLIENT = """import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(*connection.getsockname()[:2], flush=True)
sys.stdin.readline()
"""


def no_netlink(_local: Address, _remote: Address) -> Socket | None:
    raise OSError("no such protocol here")


WAYS = pytest.mark.parametrize("ask", [netlink.ask, no_netlink], ids=["sock_diag", "tables"])


def looker(
    ask: Callable[[Address, Address], Socket | None] = netlink.ask, proc: Path = Path("/proc")
) -> Looker:
    return Looker(Linux(proc, ask), FACTS, Redactor())


@contextlib.contextmanager
def client(
    script: Path, host: str = "127.0.0.1", listen: str = "127.0.0.1", command: Sequence[str] = ()
) -> Iterator[tuple[Address, Address, subprocess.Popen[str]]]:
    """Run a program that connects to a socket of ours; yield both ends."""
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_CLIENT)
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as listening:
        listening.bind((listen, 0))
        listening.listen()
        port = str(listening.getsockname()[1])
        process = subprocess.Popen(
            [*(command or (sys.executable,)), script.name, host, port],
            executable=sys.executable,
            cwd=script.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process, listening.accept()[0] as accepted:
            assert process.stdout is not None
            process.stdout.readline()  # it runs our script by now
            peer, own = accepted.getpeername(), accepted.getsockname()
            yield address(*peer[:2]), address(*own[:2]), process
            process.kill()


@WAYS
@pytest.mark.parametrize(
    ("host", "listen"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::ffff:127.0.0.1", "127.0.0.1")],
)
def test_a_program(
    ask: Callable[[Address, Address], Socket | None], host: str, listen: str, tmp_path: Path
) -> None:
    with client(tmp_path / "work" / "my_agent.py", host, listen) as (own, proxy, process):
        assert looker(ask).caller(own, proxy) == Caller(
            process.pid,
            "my_agent.py",
            f"{sys.executable} my_agent.py {host} {proxy.port}",
            str(tmp_path / "work"),
        )


@WAYS
def test_the_other_end_is_ours(
    ask: Callable[[Address, Address], Socket | None], tmp_path: Path
) -> None:
    with client(tmp_path / "agent.py") as (own, proxy, _):
        found = looker(ask).caller(proxy, own)
    assert found is not None
    assert found.pid == os.getpid()


@WAYS
def test_a_process_that_has_ended(
    ask: Callable[[Address, Address], Socket | None], tmp_path: Path
) -> None:
    with client(tmp_path / "agent.py") as (own, proxy, process):
        process.kill()
        process.wait()
        assert looker(ask).caller(own, proxy) is None


@WAYS
def test_a_listener_at_the_clients_port_is_not_the_client(
    ask: Callable[[Address, Address], Socket | None],
) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        own = address(*listening.getsockname())
        assert looker(ask).caller(own, address("127.0.0.1", 8080)) is None


def test_a_process_is_found_again_without_looking_at_all(tmp_path: Path) -> None:
    system = Linux()
    with client(tmp_path / "a.py") as (own, proxy, first), client(tmp_path / "b.py") as other:
        assert system.owner(own, proxy) == first.pid
        assert next(system._candidates(os.getuid())) == first.pid
        assert system.owner(*other[:2]) == other[2].pid
        assert system.owner(own, proxy) == first.pid


def test_a_directory_that_was_removed(tmp_path: Path) -> None:
    with client(tmp_path / "gone" / "agent.py") as (own, proxy, _):
        shutil.rmtree(tmp_path / "gone")
        found = looker().caller(own, proxy)
    assert found is not None
    assert (found.directory, found.repository) == (str(tmp_path / "gone"), None)


@pytest.mark.parametrize("name", ["docker-proxy", "socat"])
def test_what_carries_the_calls_of_others_is_not_the_caller(name: str, tmp_path: Path) -> None:
    with client(tmp_path / "agent.py", command=(name,)) as (own, proxy, _):
        assert looker().caller(own, proxy) is None


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_worker_is_named_by_who_started_it(method: str, tmp_path: Path) -> None:
    script = tmp_path / "my_pool.py"
    script.write_text(
        "import multiprocessing, socket, sys\n"
        "def connect(port, done):\n"
        "    with socket.create_connection(('127.0.0.1', port)):\n"
        "        done.wait()\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[2])\n"
        "    done = context.Event()\n"
        "    process = context.Process(target=connect, args=(int(sys.argv[1]), done))\n"
        "    process.start()\n"
        "    sys.stdin.readline()\n"
        "    done.set()\n"
        "    process.join()\n"
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        command = [sys.executable, str(script), str(listening.getsockname()[1]), method]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE) as process,
            listening.accept()[0] as accepted,
        ):
            ends = address(*accepted.getpeername()), address(*accepted.getsockname())
            found = looker().caller(*ends)
            process.communicate(b"\n", timeout=20)
    assert found is not None
    assert found.program == "my_pool.py"
    assert found.pid != process.pid


def test_a_proc_that_shows_nothing(tmp_path: Path) -> None:
    with client(tmp_path / "agent.py") as (own, proxy, process):
        (tmp_path / "proc" / str(process.pid)).mkdir(parents=True)
        for ask in (netlink.ask, no_netlink):
            assert looker(ask, tmp_path / "proc").caller(own, proxy) is None
            assert looker(ask, tmp_path / "none").caller(own, proxy) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_processes_of_others_are_not_known(tmp_path: Path) -> None:
    with client(tmp_path / "agent.py") as (own, proxy, process):
        assert _elsewhere(own, proxy) == str(process.pid)
        assert _elsewhere(own, proxy, become="os.setuid(65534)") == "None"


def test_another_network_namespace_knows_nothing_of_the_connection(tmp_path: Path) -> None:
    namespace = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces can be made here")
    with client(tmp_path / "agent.py") as (own, proxy, _):
        assert _elsewhere(own, proxy, namespace) == "None"


def _elsewhere(own: Address, proxy: Address, how: Sequence[str] = (), become: str = "") -> str:
    """Look for a caller in another process, started in another way or become somebody else's."""
    code = (
        "import os, sys; from llmitm.callers.linux import Linux; from llmitm.sockets_table import address\n"
        f"{become}\nhost, a, b = sys.argv[1:]\n"
        "print(Linux().owner(address(host, int(a)), address(host, int(b))))"
    )
    command = [*how, sys.executable, "-c", code, str(own.ip), str(own.port), str(proxy.port)]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_addresses_of_other_machines_are_not_looked_for() -> None:
    assert is_ours(address("127.0.0.3", 1))
    assert is_ours(address("::1", 1))
    assert not is_ours(address("192.0.2.1", 1))
    assert not is_ours(address("2001:db8::1", 1))

    class Nobody(Linux):
        def owner(self, local: Address, remote: Address) -> int | None:
            raise AssertionError("asked for")

    found = Looker(Nobody(), FACTS, Redactor())
    assert found.caller(address("192.0.2.1", 1), address("192.0.2.2", 8080)) is None


def test_systems() -> None:
    assert isinstance(system(), Linux)
    assert system("win32") is None
