"""Real processes for end-to-end tests: a proxy in front of the local provider, with a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from llmitm.bundle import bundle_for
from llmitm.calls import Json
from llmitm.environment import variables
from llmitm.home import Home
from llmitm.providers.hosts import load
from llmitm.trust import ensure

ROOT = Path(__file__).resolve().parents[1]
OLDER = Path(sys.prefix) / "older" / "bin" / "python"
"""Of an environment with older clients, and the oldest mitmproxy that is supported; `scripts/test` makes it."""
Kind = Literal["addon", "llmitm"]
"""`mitmdump -s addon/proxy.py`, or `python -m llmitm.mitm`."""

_LISTENING = re.compile(r"listening at (?:http://)?\S*?:(\d+)")


def until[T](condition: Any, describe: Any = lambda: "", seconds: float = 20) -> T:
    """Poll until `condition()` is true and return its value; fail with `describe()` when time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {describe()}")
        time.sleep(0.02)
    return value


@dataclass
class ProxyProcess:
    """A running proxy."""

    kind: Kind
    home: Home
    process: subprocess.Popen[bytes]
    port: int
    base: Mapping[str, str]
    output: Path
    _seen: int = field(default=0)

    @property
    def url(self) -> str:
        """What HTTPS_PROXY is set to."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Return the whole environment for a client, as `llmitm run` would set it."""
        bundle = bundle_for(self.home, self.base)
        made = variables(url or self.url, self.home.ca_certificate, bundle, self.base)
        return {**self.base, **made}

    def health(self) -> Json:
        """Return what the proxy says of itself."""
        with urllib.request.urlopen(f"{self.url}/llmitm/health", timeout=10) as answer:
            return json.load(answer)

    def all_rows(self) -> list[dict[str, Any]]:
        """Return every call in the database, oldest first, with its prompt and response as text."""
        if not self.home.database.exists():
            return []
        uri = f"file:{self.home.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
            database.row_factory = sqlite3.Row
            query = "select * from requests join calls using (id) order by calls.key"
            try:
                return [dict(row) for row in database.execute(query)]
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def request_body(self, identity: str) -> str | None:
        """Return the whole request of a call as it is in the database."""
        uri = f"file:{self.home.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
            query = "select request_body from exchanges where id = ?"
            body: str | None = database.execute(query, (identity,)).fetchone()[0]
        return body

    def rows(self) -> list[dict[str, Any]]:
        """Return the calls since `forget` was last called."""
        return self.all_rows()[self._seen :]

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds in the log."""
        uri = f"file:{self.home.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
            return database.execute(sql, values).fetchall()

    def forget(self) -> None:
        """Let `rows` begin after all calls that were made until now.

        A call of our own marks the place: calls are written in the order in which they ended.
        """
        until(lambda: self.health()["in_flight"] == 0, self.health)
        mark = f"mark {uuid.uuid4()}"
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": mark}]}
        url = f"{self.url}/openai/v1/chat/completions"
        headers = {"authorization": "Bearer none", "content-type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
        until(lambda: any(row["prompt"] == mark for row in self.all_rows()), self.said)
        self._seen = len(self.all_rows())

    def skip(self) -> None:
        """Let `rows` begin after all calls that have begun until now, without a call of our own."""

        def are_settled() -> bool:
            health = self.health()
            return bool(health["in_flight"] == health["waiting"] == 0)

        until(are_settled, self.health)
        self._seen = len(self.all_rows())

    def wait_for_rows(self, number: int = 1, seconds: float = 20) -> list[dict[str, Any]]:
        """Return the calls once there are so many."""
        until(
            lambda: len(self.rows()) >= number,
            lambda: f"{number} rows, found {self.rows()}; the proxy said: {self.said()}",
            seconds,
        )
        return self.rows()

    def said(self) -> str:
        """Return what the proxy has printed."""
        return self.output.read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the proxy with a signal and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=20)


def _command(kind: Kind, home: Home, ready_fd: int, more: Sequence[str], python: str) -> list[str]:
    if kind == "llmitm":
        ready = ["--port", "0", "--ready-fd", str(ready_fd), "--private"]
        return [python, "-m", "llmitm.mitm", *ready, *more]
    script = ["-s", str(ROOT / "addon" / "proxy.py"), "--set", f"confdir={home.ca}"]
    program = [python, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()"]
    return [*program, "--listen-host", "127.0.0.1", "--listen-port", "0", *script, *more]


class Upstream(Protocol):
    """What stands in for all providers."""

    @property
    def address(self) -> str:
        """`host:port` of its HTTPS side."""

    @property
    def ca_file(self) -> Path:
        """Certificate of the CA to trust for it."""


@contextlib.contextmanager
def running_proxy(
    kind: Kind,
    home: Home,
    upstream: Upstream,
    *,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[ProxyProcess]:
    """Start a proxy whose every upstream connection goes to `upstream`; end it with the block."""
    home.create()
    # `llmitm.mitm` does this itself; whoever starts mitmdump by hand names a confdir that is there.
    ensure(home, load().names())
    base = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    base |= {"LLMITM_HOME": str(home.folder), "NO_COLOR": "1", **(environment or {})}
    own = base | {
        "PYTHONPATH": os.pathsep.join((str(ROOT / "addon"), str(ROOT / "pricing"))),
        "PYTHONUNBUFFERED": "1",
        "LLMITM_TEST_UPSTREAM": upstream.address,
        "LLMITM_TEST_UPSTREAM_CA": str(upstream.ca_file),
    }
    output = home.folder / f"{kind}.out"
    reading, writing = os.pipe()
    with output.open("wb") as out, os.fdopen(reading, "rb") as ready:
        process = subprocess.Popen(
            _command(kind, home, writing, more, python),
            env=own,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=(writing,),
        )
        os.close(writing)
        try:
            port = _port(kind, process, ready, output)
            yield ProxyProcess(kind, home, process, port, base, output)
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=10)
            process.kill()
            process.wait()


def _port(kind: Kind, process: subprocess.Popen[bytes], ready: Any, output: Path) -> int:
    def failure() -> str:
        return f"{kind} did not start: {output.read_text(errors='replace')}"

    if kind == "llmitm":
        readable, _, _ = select.select([ready], [], [], 30)
        line = ready.readline() if readable else b""
        if not line:
            raise AssertionError(failure())
        return int(json.loads(line)["port"])

    def listening() -> re.Match[str] | None:
        if process.poll() is not None:
            raise AssertionError(failure())
        return _LISTENING.search(output.read_text(errors="replace"))

    found: re.Match[str] = until(listening, failure, 30)
    return int(found[1])
