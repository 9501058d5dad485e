"""A provider of WebSockets on this machine: realtime, Responses, and an echo."""

from __future__ import annotations

import contextlib
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from harness import ProxyProcess
from llmitm.calls import Json
from llmitm.demo.certificates import issue
from llmitm.providers.hosts import load

AUDIO = "UklGRiQAAABXQVZFZm10IBAAAAABAAEA" * 512
"""16 kB of base64."""
ANSWER = "It is foggy."
USAGE = {
    "total_tokens": 150,
    "input_tokens": 100,
    "output_tokens": 50,
    "input_token_details": {
        "text_tokens": 60,
        "audio_tokens": 40,
        "cached_tokens": 32,
        "cached_tokens_details": {"text_tokens": 32, "audio_tokens": 0},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
}


@dataclass
class SocketProvider:
    """What plays the provider, and the frames that it received."""

    address: str
    ca_file: Path
    received: list[str | bytes] = field(default_factory=list)
    handshakes: list[str] = field(default_factory=list)

    def serve(self, socket: ServerConnection) -> None:
        """Answer one socket to its end."""
        assert socket.request is not None
        self.handshakes.append(socket.request.path)
        with contextlib.suppress(ConnectionClosed):
            if "echo" in socket.request.path:
                for frame in socket:
                    self.received.append(frame)
                    socket.send(frame)
            elif socket.request.path.startswith("/v1/realtime"):
                _realtime(socket)
            else:
                _responses(socket)


@contextlib.contextmanager
def socket_provider() -> Iterator[SocketProvider]:
    """Run it in threads."""
    with tempfile.TemporaryDirectory(prefix="llmitm-sockets-") as folder:
        ca_file, context = issue(Path(folder), [name for name in load().names() if "*" not in name])
        provider = SocketProvider("", ca_file)
        with serve(provider.serve, "127.0.0.1", 0, ssl=context, max_size=None) as server:
            provider.address = f"127.0.0.1:{server.socket.getsockname()[1]}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield provider
            server.shutdown()
            thread.join()


def connected(
    proxy: ProxyProcess, path: str, *, compression: str | None = "deflate"
) -> ClientConnection:
    """Return a socket to OpenAI through the proxy."""
    trust = ssl.create_default_context(cafile=str(proxy.home.ca_certificate))
    return connect(
        f"wss://api.openai.com{path}",
        ssl=trust,
        proxy=proxy.url,
        compression=compression,
        max_size=None,
        additional_headers={"authorization": "Bearer sk-none", "helicone-property-case": "socket"},
    )


def take_turn(socket: ClientConnection, **told: Json) -> list[Json]:
    """Ask for a response, return its events."""
    socket.send(json.dumps({"type": "response.create", **told}))
    return events(socket)


def events(socket: ClientConnection, until: str = "response.done") -> list[Json]:
    """Return the events up to the end of a response."""
    found = []
    while not found or found[-1]["type"] not in (until, "response.completed"):
        found.append(json.loads(socket.recv(timeout=20)))
    return found


def _realtime(socket: ServerConnection) -> None:
    def send(kind: str, **fields: Json) -> None:
        socket.send(json.dumps({"type": kind, **fields}))

    send("session.created", session={"id": "sess_1", "model": "gpt-realtime"})
    number = 0
    for frame in socket:
        if json.loads(frame)["type"] != "response.create":
            continue
        number += 1
        key = f"resp_{number}"
        send("response.created", response={"id": key, "status": "in_progress", "output": []})
        for piece in ANSWER.split(" "):
            send("response.output_audio_transcript.delta", response_id=key, delta=f"{piece} ")
            send("response.output_audio.delta", response_id=key, delta=AUDIO)
        part = {"type": "output_audio", "transcript": ANSWER}
        output = [{"type": "message", "role": "assistant", "content": [part]}]
        done = {"id": key, "status": "completed", "output": output, "usage": USAGE}
        send("response.done", response=done)


def _responses(socket: ServerConnection) -> None:
    number = 0
    for frame in socket:
        asked = json.loads(frame)
        number += 1
        base = {"id": f"resp_{number:08x}", "object": "response", "model": asked["model"]}
        created = {**base, "status": "in_progress", "output": []}
        socket.send(json.dumps({"type": "response.created", "response": created}))
        if asked["input"] == "never":
            continue
        part = {"type": "output_text", "text": ANSWER}
        output = [{"type": "message", "role": "assistant", "content": [part]}]
        if asked.get("generate") is False:
            output = []
        else:
            delta = {"type": "response.output_text.delta", "output_index": 0, "delta": ANSWER}
            socket.send(json.dumps(delta))
        usage = {"input_tokens": 9, "output_tokens": 4 * len(output), "total_tokens": 9}
        done = {**base, "status": "completed", "output": output, "usage": usage}
        socket.send(json.dumps({"type": "response.completed", "response": done}))
