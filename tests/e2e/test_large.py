"""A hundred megabytes in either direction: they pass as they come, are never held, and leave the right row."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.events
import pytest

from e2e.large import ANSWER, BLOCK, JSON, LARGE, MIB, WHOLE, Taker, blocks, digest
from e2e.peers import H2, HOST, Upstream, Wire, both_ends, client, client_h2
from harness import ProxyProcess, until

HEADROOM = 60 * MIB
"""By how much the proxy may grow while it passes `LARGE`: most of it is Python's own slack."""
FILE = (
    b'--XX\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--XX\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n'
    b"content-type: audio/wav\r\n\r\n"
)
AFTER = b'\r\n--XX\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--XX--\r\n'


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProxyProcess, Upstream]]:
    with both_ends("llmitm", tmp_path_factory, ["h2", "http/1.1"]) as ends:
        yield ends


@pytest.fixture
def proxy(ends: tuple[ProxyProcess, Upstream]) -> ProxyProcess:
    found = ends[0]
    found.skip()
    return found


@pytest.fixture
def upstream(ends: tuple[ProxyProcess, Upstream]) -> Upstream:
    return ends[1]


class Memory:
    """What the proxy's memory has grown by at most since the block began."""

    def __init__(self, proxy: ProxyProcess) -> None:
        self._process = Path(f"/proc/{proxy.process.pid}")

    def __enter__(self) -> Memory:
        (self._process / "clear_refs").write_text("5")  # the highest mark is what is used now
        self._before = self._highest()
        return self

    def __exit__(self, *_: object) -> None:
        self.grown = self._highest() - self._before

    def _highest(self) -> int:
        for line in (self._process / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


UPLOADS = {
    "a batch file": ("/v1/files", "multipart/form-data; boundary=XX", FILE, AFTER),
    "a recording": ("/v1/audio/transcriptions", "multipart/form-data; boundary=XX", FILE, AFTER),
    "JSON": (
        "/v1/chat/completions",
        "application/json",
        b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"',
        b'"}]}',
    ),
}


@on_linux
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.1 chunked", "HTTP/2"])
@pytest.mark.parametrize("name", UPLOADS)
def test_uploads(name: str, version: str, proxy: ProxyProcess, upstream: Upstream) -> None:
    path, kind, before, after = UPLOADS[name]
    size = len(before) + LARGE + len(after)
    taker = Taker()
    is_held_first = name == "JSON" and "chunked" in version  # nobody says how long it will be
    pieces = iter((before, *blocks(LARGE), after))
    with upstream.serving(taker), Memory(proxy) as memory:
        if version == "HTTP/2":
            with client_h2(proxy) as peer:
                fields = {"content-type": kind, "content-length": str(size)}
                number = peer.open(path, headers=fields)
                peer.send(number, next(pieces))
                assert taker.begun.wait(10)
                for piece in pieces:
                    peer.send(number, piece)
                peer.end(number)
                assert peer.answer(number)[1] == ANSWER
        else:
            with client(proxy) as wire:
                chunked = "chunked" in version
                length = "transfer-encoding: chunked" if chunked else f"content-length: {size}"
                head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: {kind}\r\n{length}\r\n\r\n"
                wire.send(head.encode())
                for number, piece in enumerate(pieces):
                    wire.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                    if number == 0 and not is_held_first:
                        assert taker.begun.wait(10)  # before the rest is sent
                wire.send(b"0\r\n\r\n" if chunked else b"")
                assert wire.body(wire.head()[1]) == ANSWER
    (row,) = proxy.wait_for_rows(1)
    print(f"{name} by {version}: {memory.grown / MIB:.1f} MiB more")
    assert taker.digests == [digest(before, after)]
    assert (row["status"], row["request_bytes"]) == (200, size)
    assert "bytes passed unseen" in row["notes"]
    assert memory.grown < HEADROOM + _once(name, version)
    if name == "JSON":
        assert row["model_requested"] == "gpt-4o-mini"
    else:
        form = json.loads(proxy.request_body(row["id"]) or "{}")
        assert (form["purpose"], form["model"], form["file"]["bytes"]) == (
            "batch",
            "whisper-1",
            LARGE,
        )


def _once(name: str, version: str) -> int:
    """Return what is held of an upload: never more than all of it once."""
    if version == "HTTP/2":
        return LARGE  # mitmproxy takes what is sent, and keeps what the provider does not take yet
    return (
        48 * MIB if name == "a recording" or (name, version) == ("JSON", "HTTP/1.1 chunked") else 0
    )


DOWNLOADS = {"a film": "video/mp4", "results of a batch": "application/octet-stream"}


@on_linux
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("name", DOWNLOADS)
def test_downloads(name: str, version: str, proxy: ProxyProcess, upstream: Upstream) -> None:
    kind = DOWNLOADS[name]
    first_is_there = threading.Event()

    def script(peer: Any) -> None:
        pieces = blocks(LARGE)
        if isinstance(peer, H2):
            number = peer.until(h2.events.StreamEnded).stream_id
            peer.headers(number, [(":status", "200"), ("content-type", kind)])
            peer.send(number, next(pieces))
            assert first_is_there.wait(10)
            for piece in pieces:
                peer.send(number, piece)
            peer.end(number)
            peer.until(h2.events.ConnectionTerminated)
        else:
            peer.head()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {LARGE}\r\n\r\n"
            peer.send(head.encode() + next(pieces))
            assert first_is_there.wait(10)
            for piece in pieces:
                peer.send(piece)

    whole = hashlib.sha1()
    path = "/v1/files/file-1/content"
    with upstream.serving(script), Memory(proxy) as memory:
        if version == "HTTP/2":
            with client_h2(proxy) as peer:
                peer.open(path, method="GET", end=True)
                left = LARGE
                while left:
                    data = peer.until(h2.events.DataReceived).data
                    first_is_there.set()
                    whole.update(data)
                    left -= len(data)
        else:
            with client(proxy) as wire:
                wire.send(f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
                left = int(dict(wire.head()[1])["content-length"])
                while left:
                    data = wire.some(left)
                    first_is_there.set()
                    whole.update(data)
                    left -= len(data)
        (row,) = proxy.wait_for_rows(1, seconds=60)
    print(f"{name} by {version}: {memory.grown / MIB:.1f} MiB more")
    assert whole.hexdigest() == digest()
    assert (row["status"], row["outcome"], row["response_bytes"]) == (200, "ok", LARGE)
    # A file whose lines may have to be read is kept until it is too long for that.
    kept = 0 if name == "a film" else 64 * MIB
    assert memory.grown < HEADROOM + (LARGE if version == "HTTP/2" else kept)


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_an_answer_before_the_upload_has_ended(
    framing: str, proxy: ProxyProcess, upstream: Upstream
) -> None:
    """The client reads it and goes on sending; the same connections then serve the next call."""
    head = f"HTTP/1.1 413 Too Large\r\n{JSON}"
    error = b'{"error":{"message":"too large","type":"invalid_request_error"}}'
    answers = {
        "sized": f"{head}content-length: {len(error)}\r\n\r\n".encode() + error,
        "chunked": f"{head}transfer-encoding: chunked\r\n\r\n".encode()
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(error), error),
    }
    taken = []

    def script(wire: Wire) -> None:
        _, fields = wire.head()
        wire.exactly(len(BLOCK))
        wire.send(answers[framing])
        wire.skip(int(dict(fields)["content-length"]) - len(BLOCK))
        taken.append(True)
        wire.body(wire.head()[1])
        wire.send(WHOLE)

    with upstream.serving(script), client(proxy) as wire:
        size = 8 * MIB
        kind = "content-type: audio/wav\r\n"
        path = "/v1/audio/transcriptions"
        wire.send(
            f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\n{kind}content-length: {size}\r\n\r\n".encode()
        )
        wire.send(BLOCK)
        status, fields = wire.head()  # while the rest has not been sent
        assert status.startswith("HTTP/1.1 413")
        assert wire.body(fields) == error
        for piece in blocks(size - len(BLOCK)):
            wire.send(piece)
        wire.send(
            f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\n{kind}content-length: 4\r\n\r\nRIFF".encode()
        )
        assert wire.body(wire.head()[1]) == ANSWER
    assert taken == [True]
    refused, served = proxy.wait_for_rows(2)
    assert (refused["status"], refused["outcome"], refused["error_message"]) == (
        413,
        "error",
        "too large",
    )
    assert served["status"] == 200


def test_a_client_that_leaves_in_the_middle_of_an_upload(
    proxy: ProxyProcess, upstream: Upstream
) -> None:
    ended = threading.Event()

    def script(wire: Wire) -> None:
        try:
            wire.head()
            wire.to_the_end()
        finally:
            ended.set()

    with upstream.serving(script):
        with client(proxy) as wire:
            head = f"POST /v1/files HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {LARGE}\r\n\r\n"
            wire.send(head.encode())
            for piece in blocks(4 * MIB):
                wire.send(piece)
        assert ended.wait(10)  # the provider is not left waiting
    (row,) = proxy.wait_for_rows(1)
    assert row["outcome"] == "cancelled"
    assert 0 < row["request_bytes"] <= 4 * MIB  # what had come through by then


@on_linux
def test_a_slow_provider_slows_the_client_down(proxy: ProxyProcess, upstream: Upstream) -> None:
    """What the provider does not take yet stays with the client."""
    go_on = threading.Event()
    taker = Taker()

    def script(wire: Wire) -> None:
        assert go_on.wait(30)
        taker(wire)

    sent = 0

    def send(wire: Wire) -> None:
        nonlocal sent
        for piece in blocks(LARGE):
            wire.send(piece)
            sent += len(piece)

    with upstream.serving(script), client(proxy) as wire, Memory(proxy) as memory:
        head = f"POST /v1/files HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {LARGE}\r\n\r\n"
        wire.send(head.encode())
        sending = threading.Thread(target=send, args=(wire,))
        sending.start()
        _until_still(lambda: sent)
        assert sent < LARGE // 2
        go_on.set()
        sending.join(30)
        assert wire.body(wire.head()[1]) == ANSWER
    assert taker.digests == [digest()]
    assert memory.grown < HEADROOM
    assert proxy.wait_for_rows(1)[0]["request_bytes"] == LARGE


def _until_still(value: Callable[[], int]) -> None:
    """Wait until a number that grows has stood still for a second."""
    seen, since = value(), time.monotonic()

    def is_still() -> bool:
        nonlocal seen, since
        if value() != seen:
            seen, since = value(), time.monotonic()
        return seen > 0 and time.monotonic() - since > 1

    until(is_still, value)
