"""The proxy as another process: find the one that runs, ask it how it is, start one for a single program.

Its environment is the user's original one: with the variables of a client it would call itself.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from llmitm.calls import Json
from llmitm.environment import REPLACED, original
from llmitm.errors import ProxyError
from llmitm.home import Home

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANSWER_SECONDS = 5
_START_SECONDS = 30
_END_SECONDS = 15
"""A proxy that ends waits up to 10 s for its log."""


class Running(NamedTuple):
    """A proxy that answers."""

    port: int
    host: str = "127.0.0.1"
    holds: int | None = None
    """A private proxy ends when nobody has this descriptor open any more: a program inherits it."""

    @property
    def url(self) -> str:
        """Its URL, for HTTPS_PROXY and as a base URL."""
        return self.url_for("")

    def url_for(self, userinfo: str) -> str:
        """Return its URL with a user part."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{userinfo}{'@' if userinfo else ''}{host}:{self.port}"

    def health(self) -> dict[str, Json] | None:
        """Return what it says of itself; None where nothing of ours answers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/llmitm/health")
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return answer if isinstance(answer, dict) and "llmitm" in answer else None


def find(home: Home) -> Running | None:
    """Return the proxy that runs for everybody, if there is one."""
    try:
        state = json.loads(home.running.read_text())
        running = Running(int(state["port"]), str(state.get("host", "127.0.0.1")))
        pid = state["pid"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    health = running.health()
    return running if health and health.get("pid") == pid else None


def around(environ: Mapping[str, str]) -> Running | None:
    """Return the proxy of ours that this environment uses already, as inside another `llmitm run`."""
    if REPLACED not in environ:
        return None
    try:
        address = urlsplit(environ.get("HTTPS_PROXY", ""))
        running = Running(address.port or 0, address.hostname or "")
    except ValueError:
        return None
    return running if running.host in _LOOPBACK and running.health() else None


@contextlib.contextmanager
def private(
    home: Home, environ: Mapping[str, str], arguments: Sequence[str] = ()
) -> Iterator[Running]:
    """Start a proxy on a free port and end it, its log written out, with the block. Raises `ProxyError`."""
    home.create()
    with contextlib.ExitStack() as ends:
        log = ends.enter_context(_log(home))
        ready, ready_end = map(ends.enter_context, _pipe())
        life, life_end = map(ends.enter_context, _pipe())
        start = log.tell()
        process = subprocess.Popen(
            [
                *command(),
                *("--host", "127.0.0.1", "--port", "0", "--private"),
                *("--ready-fd", str(ready_end.fileno()), "--while-fd", str(life.fileno())),
                *arguments,
            ],
            env=original(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(ready_end.fileno(), life.fileno()),
            start_new_session=True,  # Ctrl-C is for the program; the proxy ends after it
        )
        ends.callback(_end, process)
        ready_end.close()
        yield Running(_port(process, ready, log, start), holds=life_end.fileno())


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)


def command() -> list[str]:
    """Return the command that starts a proxy."""
    return [sys.executable, "-m", "llmitm.mitm"]


def _log(home: Home) -> IO[bytes]:
    path = home.folder / "proxy.log"
    path.touch(mode=0o600)
    return path.open("a+b", buffering=0)


def _port(process: subprocess.Popen[bytes], ready: IO[bytes], log: IO[bytes], start: int) -> int:
    deadline = time.monotonic() + _START_SECONDS
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([ready], [], [], max(0, deadline - time.monotonic()))
        piece = ready.read(100) if readable else b""
        if not piece:
            log.seek(start)
            said = log.read().decode(errors="replace").strip().splitlines()
            why = (
                said[-1].removeprefix("llmitm: ")
                if said
                else f"no sign of life in {_START_SECONDS} s"
            )
            raise ProxyError(f"the proxy did not start: {why}")
        line += piece
    return int(json.loads(line)["port"])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
