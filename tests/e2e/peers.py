"""Both ends of a proxied connection, scripted byte by byte: an upstream and clients of HTTP/1.1 and HTTP/2.

The local provider answers as providers do; these say what no well-behaved library lets one say.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest

from harness import Kind, ProxyProcess, running_proxy
from llmitm.demo.certificates import issue
from llmitm.home import Home

HOST = "api.openai.com"
_SECONDS = 30
_READ = 65536


class Closed(Exception):
    """The other side has ended the connection."""


class Wire:
    """A connection of HTTP/1.1, read by hand."""

    def __init__(self, plug: ssl.SSLSocket | socket.socket) -> None:
        self.plug = plug
        self.rest = bytearray()

    def send(self, data: bytes) -> None:
        self.plug.sendall(data)

    def _more(self) -> None:
        data = self.plug.recv(_READ)
        if not data:
            raise Closed
        self.rest += data

    def line(self) -> bytes:
        """Return the next line with its end."""
        while (end := self.rest.find(b"\n")) < 0:
            self._more()
        return self._take(end + 1)

    def _take(self, size: int) -> bytes:
        taken = bytes(self.rest[:size])
        del self.rest[:size]
        return taken

    def head(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the first line of a message and its headers, names in lower case."""
        first = self.line().decode().strip()
        return first, self.fields()

    def fields(self) -> list[tuple[str, str]]:
        """Return header lines up to the empty one; trailers are of the same form."""
        found = []
        while (line := self.line().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            found.append((name.lower(), value.strip()))
        return found

    def exactly(self, size: int) -> bytes:
        while len(self.rest) < size:
            self._more()
        return self._take(size)

    def some(self, most: int) -> bytes:
        """Return what has come, at least a byte and at most so many."""
        if not self.rest:
            self._more()
        return self._take(most)

    def skip(self, size: int) -> None:
        """Read so many bytes and keep none."""
        while size > 0:
            size -= len(self.some(size))

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks of a chunked body; its trailers, or the empty line, are left to be read."""
        while size := int(self.line().split(b";")[0], 16):
            yield self.exactly(size)
            self.line()

    def body(self, headers: Sequence[tuple[str, str]]) -> bytes:
        """Return the body that these headers announce."""
        fields = dict(headers)
        if "chunked" in fields.get("transfer-encoding", ""):
            whole = b"".join(self.chunks())
            self.fields()
            return whole
        return self.exactly(int(fields.get("content-length", "0")))

    def to_the_end(self) -> bytes:
        """Return all that comes until the other side closes."""
        with contextlib.suppress(Closed, ssl.SSLEOFError, ConnectionResetError):
            while True:
                self._more()
        return self._take(len(self.rest))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.plug.shutdown(socket.SHUT_RDWR)
        self.plug.close()


class H2:
    """A connection of HTTP/2, one event after the other."""

    def __init__(self, plug: ssl.SSLSocket, *, client: bool) -> None:
        self.plug = plug
        self.http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=client, header_encoding="utf-8")
        )
        self.slow: set[int] = set()
        """Streams on which nothing is acknowledged, so that no more may come than their window."""
        self.waiting: list[h2.events.Event] = []
        self.http.initiate_connection()
        self.flush()

    def flush(self) -> None:
        if data := self.http.data_to_send():
            self.plug.sendall(data)

    def event(self) -> h2.events.Event:
        """Return the next event. Raises `Closed`."""
        while not self.waiting:
            data = self.plug.recv(_READ)
            if not data:
                raise Closed
            self.waiting = self.http.receive_data(data)
            for event in self.waiting:
                if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.slow:
                    self.http.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
            self.flush()
        return self.waiting.pop(0)

    def until(self, kind: type[h2.events.Event], stream: int | None = None) -> Any:
        """Return the next event of a kind, of one stream where it is named; others are passed over."""
        while True:
            event = self.event()
            if isinstance(event, kind) and (
                stream is None or getattr(event, "stream_id", None) == stream
            ):
                return event

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send data as the windows allow."""
        while data:
            room = min(
                self.http.local_flow_control_window(stream), self.http.max_outbound_frame_size
            )
            if room <= 0:
                self._window()
                continue
            self.http.send_data(stream, data[:room], end_stream=end and len(data) <= room)
            data = data[room:]
            self.flush()

    def _window(self) -> None:
        """Wait for an event, and keep it for who reads events."""
        kept, self.waiting = self.waiting, []
        kept.append(self.event())
        self.waiting = kept + self.waiting

    def headers(self, stream: int, fields: Sequence[tuple[str, str]], *, end: bool = False) -> None:
        self.http.send_headers(stream, list(fields), end_stream=end)
        self.flush()

    def end(self, stream: int) -> None:
        self.http.end_stream(stream)
        self.flush()

    def reset(self, stream: int) -> None:
        self.http.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self.flush()

    def open(
        self,
        path: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        end: bool = False,
    ) -> int:
        """Send the headers of a request and return its stream."""
        stream = self.http.get_next_available_stream_id()
        fields = {":method": method, ":authority": HOST, ":scheme": "https", ":path": path}
        self.headers(stream, list({**fields, **(headers or {})}.items()), end=end)
        return stream

    def ask(self, path: str, body: bytes) -> int:
        """Send a request of JSON and return its stream."""
        fields = {"content-type": "application/json", "content-length": str(len(body))}
        stream = self.open(path, headers=fields)
        self.send(stream, body, end=True)
        return stream

    def answer(self, stream: int) -> tuple[dict[str, str], bytes, dict[str, str]]:
        """Return headers, body and trailers of an answer, of which nothing has been read yet."""
        head = dict(self.until(h2.events.ResponseReceived, stream).headers)
        body, trailers = b"", {}
        while True:
            event = self.event()
            if getattr(event, "stream_id", None) != stream:
                continue
            match event:
                case h2.events.DataReceived():
                    body += event.data
                case h2.events.TrailersReceived():
                    trailers = dict(event.headers)
                case h2.events.StreamReset():
                    raise Closed(event.error_code)
                case h2.events.StreamEnded():
                    return head, body, trailers

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.plug.shutdown(socket.SHUT_RDWR)
        self.plug.close()


class Upstream:
    """Serve each connection by a script of its own; what a script raises is raised at the end of the block."""

    def __init__(
        self, folder: Path, alpn: Sequence[str], hosts: Sequence[str] = (HOST, "api.anthropic.com")
    ) -> None:
        self.ca_file, self._context = issue(folder, hosts)
        self._context.set_alpn_protocols(list(alpn))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._serve: Callable[[Any], None] | None = None
        self._failed: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._plugs: list[ssl.SSLSocket] = []
        self._to_drop = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def drop_next(self, number: int) -> None:
        """Close so many connections as soon as they are made."""
        self._to_drop = number

    @contextlib.contextmanager
    def serving(self, script: Callable[[Any], None]) -> Iterator[None]:
        """Have every connection of the block, and those that are open still, served by `script`.

        It gets a `Wire`, or an `H2` where HTTP/2 was agreed on, and may end by `Closed`.
        """
        self._serve = script
        try:
            yield
        finally:
            self._serve = None
            for plug in self._plugs:
                with contextlib.suppress(OSError):
                    plug.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join(_SECONDS)
            self._threads.clear()
            self._plugs.clear()
        failed, self._failed = self._failed, []
        if failed:
            raise failed[0]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                plain, _ = self._listening.accept()
                if self._to_drop:
                    self._to_drop -= 1
                    plain.close()
                    continue
                plain.settimeout(_SECONDS)
                thread = threading.Thread(target=self._run, args=(plain,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self, plain: socket.socket) -> None:
        try:
            plug = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            return
        self._plugs.append(plug)
        script = self._serve
        if script is None:
            plug.close()
            return
        is_h2 = plug.selected_alpn_protocol() == "h2"
        peer = H2(plug, client=False) if is_h2 else Wire(plug)
        try:
            script(peer)
        except (Closed, ConnectionError, ssl.SSLEOFError):
            pass
        except BaseException as error:
            self._failed.append(error)
        finally:
            peer.close()

    def close(self) -> None:
        self._listening.close()


def _plug(proxy: ProxyProcess, alpn: str, host: str = HOST) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", proxy.port), _SECONDS)
    plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
    status, _ = Wire(plain).head()
    assert " 200 " in status, status
    context = ssl.create_default_context(cafile=str(proxy.home.ca_certificate))
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(plain, server_hostname=host)


@contextlib.contextmanager
def client(proxy: ProxyProcess, host: str = HOST) -> Iterator[Wire]:
    """Connect to the proxy by HTTP/1.1."""
    wire = Wire(_plug(proxy, "http/1.1", host))
    try:
        yield wire
    finally:
        wire.close()


@contextlib.contextmanager
def client_h2(proxy: ProxyProcess) -> Iterator[H2]:
    """Connect to the proxy by HTTP/2."""
    plug = _plug(proxy, "h2")
    assert plug.selected_alpn_protocol() == "h2"
    peer = H2(plug, client=True)
    try:
        yield peer
    finally:
        peer.close()


@contextlib.contextmanager
def both_ends(
    kind: Kind,
    folders: pytest.TempPathFactory,
    protocols: Sequence[str],
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[ProxyProcess, Upstream]]:
    """Run a proxy in front of an upstream that speaks what the proxy asks for; it may not print a traceback."""
    upstream = Upstream(folders.mktemp("upstream"), list(protocols))
    home = Home(folders.mktemp("proxy") / "llmitm")
    with running_proxy(kind, home, upstream, python=python, environment=environment) as proxy:
        yield proxy, upstream
    assert "Traceback" not in proxy.said()
    upstream.close()
