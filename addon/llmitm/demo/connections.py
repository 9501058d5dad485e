"""HTTP/1.1 and HTTP/2 on accepted connections: bytes in, `Request` out, and a reply's parts written one by one.

Each part is a write of its own (a chunk, a DATA frame), so a stream looks on the wire as the real ones do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h11

from llmitm.demo.message import Request

_READ = 65536


class Sink(Protocol):
    """Where a reply goes."""

    async def head(self, status: int, headers: list[tuple[str, str]], length: int | None) -> None:
        """Send the header; `length` is None for a body whose end is not known before."""

    async def part(self, data: bytes) -> None:
        """Send a part of the body."""

    async def end(self) -> None:
        """End the body properly."""

    async def cut(self) -> None:
        """Break the connection (over HTTP/2, the stream) as a fault would."""


Serve = Callable[[Request, Sink], Awaitable[None]]


async def connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, serve: Serve
) -> None:
    """Serve one connection until either side ends it."""
    tls = writer.get_extra_info("ssl_object")
    try:
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            await _Http2(reader, writer, serve).run()
        else:
            await _http1(reader, writer, serve)
    except (ConnectionError, TimeoutError, h11.RemoteProtocolError, h2.exceptions.ProtocolError):
        writer.transport.abort()
    finally:
        writer.close()


@dataclass(slots=True)
class _Http1Sink:
    http: h11.Connection
    writer: asyncio.StreamWriter

    async def _send(self, event: h11.Event) -> None:
        data = self.http.send(event)
        if data:
            self.writer.write(data)
            await self.writer.drain()

    async def head(self, status: int, headers: list[tuple[str, str]], length: int | None) -> None:
        framing = (
            ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
        )
        reason = HTTPStatus(status).phrase if status in HTTPStatus else "Error"
        head = h11.Response(status_code=status, headers=[*headers, framing], reason=reason)
        await self._send(head)

    async def part(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def cut(self) -> None:
        # What was written must still arrive, or a cut in a stream is a cut before it.
        self.writer.transport.close()
        self.http.send_failed()


async def _http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, serve: Serve) -> None:
    http = h11.Connection(h11.SERVER)
    while (request := await _http1_request(reader, writer, http)) is not None:
        await serve(request, _Http1Sink(http, writer))
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return
        http.start_next_cycle()


async def _http1_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, http: h11.Connection
) -> Request | None:
    head: h11.Request | None = None
    body: list[bytes] = []
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            if http.they_are_waiting_for_100_continue:
                going_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(http.send(going_on) or b"")
            http.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = [
                (name.decode(), value.decode("latin-1")) for name, value in head.headers.raw_items()
            ]
            host = next((value for name, value in headers if name.lower() == "host"), "")
            return Request(
                head.method.decode(),
                host.partition(":")[0],
                head.target.decode("latin-1"),
                headers,
                b"".join(body),
                f"HTTP/{head.http_version.decode()}",
            )
        else:
            return None


@dataclass(slots=True)
class _Stream:
    headers: list[tuple[str, str]]
    body: list[bytes] = field(default_factory=list)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the flow-control window may have grown."""
    gone: bool = False


@dataclass(slots=True)
class _Http2Sink:
    owner: _Http2
    number: int

    async def head(self, status: int, headers: list[tuple[str, str]], length: int | None) -> None:
        fields = [(":status", str(status)), *headers]
        if length is not None:
            fields.append(("content-length", str(length)))
        self.owner.http.send_headers(self.number, fields)
        await self.owner.flush()

    async def part(self, data: bytes) -> None:
        stream = self.owner.streams[self.number]
        while data:
            if stream.gone:
                raise ConnectionResetError
            room = self.owner.http.local_flow_control_window(self.number)
            size = min(len(data), room, self.owner.http.max_outbound_frame_size)
            if size == 0:
                stream.room.clear()
                await stream.room.wait()
                continue
            self.owner.http.send_data(self.number, data[:size])
            data = data[size:]
            await self.owner.flush()

    async def end(self) -> None:
        self.owner.http.end_stream(self.number)
        await self.owner.flush()

    async def cut(self) -> None:
        self.owner.http.reset_stream(self.number, h2.errors.ErrorCodes.INTERNAL_ERROR)
        await self.owner.flush()


@dataclass(slots=True)
class _Http2:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    serve: Serve
    http: h2.connection.H2Connection = field(
        default_factory=lambda: h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
    )
    streams: dict[int, _Stream] = field(default_factory=dict)

    async def flush(self) -> None:
        self.writer.write(self.http.data_to_send())
        await self.writer.drain()

    async def run(self) -> None:
        self.http.initiate_connection()
        await self.flush()
        async with asyncio.TaskGroup() as tasks:
            while data := await self.reader.read(_READ):
                for event in self.http.receive_data(data):
                    self._take(event, tasks)
                await self.flush()
            for stream in self.streams.values():
                stream.gone = True
                stream.room.set()

    def _take(self, event: h2.events.Event, tasks: asyncio.TaskGroup) -> None:
        match event:
            case h2.events.RequestReceived():
                self.streams[event.stream_id] = _Stream(
                    [(str(k), str(v)) for k, v in event.headers]
                )
            case h2.events.DataReceived():
                self.streams[event.stream_id].body.append(event.data)
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                tasks.create_task(self._answer(event.stream_id))
            case h2.events.StreamReset() if event.stream_id in self.streams:
                self.streams[event.stream_id].gone = True
                self.streams[event.stream_id].room.set()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for stream in self.streams.values():
                    stream.room.set()

    async def _answer(self, number: int) -> None:
        stream = self.streams[number]
        pseudo = {name: value for name, value in stream.headers if name.startswith(":")}
        headers = [pair for pair in stream.headers if not pair[0].startswith(":")]
        request = Request(
            pseudo[":method"],
            pseudo[":authority"].partition(":")[0],
            pseudo[":path"],
            headers,
            b"".join(stream.body),
            "HTTP/2.0",
        )
        try:
            await self.serve(request, _Http2Sink(self, number))
        except (ConnectionError, h2.exceptions.ProtocolError):
            # The client took back this stream; the others go on.
            pass
        finally:
            del self.streams[number]
