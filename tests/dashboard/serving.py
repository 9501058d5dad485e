"""A dashboard that runs, as the command starts it, and a client that asks it over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from html import unescape
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from llmitm.dashboard.server import serve
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home

_FORM = "application/x-www-form-urlencoded"


class Answer(NamedTuple):
    """What a server answers."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; cookies are joined by a line feed."""
    body: str

    @property
    def text(self) -> str:
        """What of the page can be read, without its tags."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.body)).split())


class Client:
    """A browser without eyes: it keeps cookies."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Answer:
        """Ask once, following nothing."""
        sent = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            connection.putrequest(method, path, skip_host=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode() if body is not None else None)
            answer = connection.getresponse()
            found: dict[str, str] = {}
            for name, value in answer.getheaders():
                key = name.lower()
                found[key] = f"{found[key]}\n{value}" if key in found else value
            text = answer.read().decode()
        for cookie in found.get("set-cookie", "").splitlines():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(answer.status, found, text)

    def get(self, path: str, **headers: str) -> Answer:
        """Get a page, with `_` in the names of headers for `-`."""
        return self.ask(
            "GET", path, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def page(self, path: str) -> Answer:
        """Get a page that is there, by way of redirections."""
        answer = self.get(path)
        for _ in range(5):
            if answer.status != 303:
                break
            answer = self.get(answer.headers["location"])
        assert answer.status == 200, answer.text
        return answer

    def post(self, path: str, form: Mapping[str, str], *, xsrf: bool = True) -> Answer:
        """Send a form, with what proves that it is one of ours."""
        fields = dict(form)
        if xsrf:
            found = re.search(r'name="_xsrf" value="([^"]+)"', self.page("/calls").body)
            assert found is not None
            fields["_xsrf"] = found[1]
        return self.ask("POST", path, {"Content-Type": _FORM}, urlencode(fields))


@contextmanager
def serving(home: Home, *, read_only: bool = False) -> Iterator[Dashboard]:
    """Run a dashboard in a thread of its own for the length of a block."""
    started: list[Dashboard] = []
    ready, ended = threading.Event(), threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        dashboard, server = await serve(home, 0, read_only=read_only)
        stop.append((asyncio.get_running_loop(), asyncio.Event()))
        started.append(dashboard)
        ready.set()
        await stop[0][1].wait()
        server.stop()
        await server.close_all_connections()
        dashboard.threads.shutdown()

    def in_thread() -> None:
        try:
            asyncio.run(run())
        finally:
            ready.set()
            ended.set()

    thread = threading.Thread(target=in_thread)
    thread.start()
    ready.wait(30)
    try:
        yield started[0]
    finally:
        loop, event = stop[0]
        loop.call_soon_threadsafe(event.set)
        thread.join(30)
        assert ended.is_set()


def opened(dashboard: Dashboard) -> Client:
    """Return a client that came by the link."""
    client = Client(dashboard.port)
    parts = urlsplit(dashboard.url)
    assert client.get(f"{parts.path}?{parts.query}").status == 303
    return client
