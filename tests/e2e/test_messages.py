"""Every form that a message of HTTP may have: what goes in on one side of the proxy comes out on the other."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import brotli
import h2.events
import pytest
import zstandard

from e2e.peers import H2, HOST, Upstream, Wire, both_ends, client, client_h2
from harness import ProxyProcess, running_proxy, until
from llmitm.home import Home

CHAT = "/v1/chat/completions"
ASKED = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}'
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
SAID = [{"index": 0, "message": {"role": "assistant", "content": "Ho"}, "finish_reason": "stop"}]
ANSWER = json.dumps({"id": "1", "model": "gpt-4o-mini", "choices": SAID, "usage": USAGE}).encode()
JSON = b"content-type: application/json\r\n"


@pytest.fixture(scope="module", params=["addon", "llmitm"])
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProxyProcess, Upstream]]:
    """Both kinds of proxy, in front of an upstream that speaks what the proxy asks for."""
    with both_ends(request.param, tmp_path_factory, ["h2", "http/1.1"]) as ends:
        yield ends


@pytest.fixture
def proxy(ends: tuple[ProxyProcess, Upstream]) -> ProxyProcess:
    found = ends[0]
    found.skip()
    return found


@pytest.fixture
def upstream(ends: tuple[ProxyProcess, Upstream]) -> Upstream:
    return ends[1]


def post(head: bytes, body: bytes = b"", path: str = CHAT) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\n".encode() + head + b"\r\n" + body


def sized(body: bytes) -> bytes:
    return b"content-length: %d\r\n" % len(body)


def exchange(
    proxy: ProxyProcess, upstream: Upstream, sent: bytes, answered: bytes
) -> tuple[Any, bytes, bytes]:
    """Send raw bytes, answer with raw bytes and close; return what came in above, and below."""
    came: list[Any] = []

    def script(wire: Wire) -> None:
        head = wire.head()
        came.append((*head, wire.body(head[1])))
        wire.send(answered)

    with upstream.serving(script), client(proxy) as wire:
        wire.send(sent)
        got = wire.to_the_end()
    return came[0], *got.split(b"\r\n\r\n", 1)


WHOLE = b"HTTP/1.1 200 OK\r\n" + JSON + sized(ANSWER) + b"connection: close\r\n\r\n" + ANSWER


@pytest.mark.parametrize("framing", ["sized", "chunked", "chunked with trailers"])
def test_framings_of_a_request(framing: str, proxy: ProxyProcess, upstream: Upstream) -> None:
    end = b"x-sum: 1\r\n\r\n" if "trailers" in framing else b"\r\n"
    sent = post(JSON + sized(ASKED), ASKED)
    if framing != "sized":
        pieces = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in ASKED)
        sent = post(JSON + b"transfer-encoding: chunked\r\n", pieces + b"0\r\n" + end)
    (_, fields, body), _, got = exchange(proxy, upstream, sent, WHOLE)
    assert body == ASKED
    assert ("transfer-encoding", "chunked") in fields or framing == "sized"
    assert got == ANSWER
    (row,) = proxy.wait_for_rows(1)
    assert (row["outcome"], row["request_bytes"], row["output_tokens"]) == ("ok", len(ASKED), 4)


ENDLESS = b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\n" + ANSWER
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
CHUNKED += b"%x\r\n%s\r\n0\r\n" % (len(ANSWER), ANSWER)
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
ANSWERS = {
    "no length, closed": (ENDLESS, ANSWER),
    "no content-type": (WHOLE.replace(JSON, b""), ANSWER),
    "chunked": (CHUNKED + b"\r\n", ANSWER),
    "chunked with trailers": (CHUNKED + b"x-sum: 1\r\n\r\n", ANSWER),
    "informational answers first": (HINTS + WHOLE, ANSWER),
    "encoding that lies": (WHOLE.replace(JSON, JSON + b"content-encoding: gzip\r\n"), ANSWER),
    "encoding that nobody knows": (WHOLE.replace(JSON, JSON + b"content-encoding: xz\r\n"), ANSWER),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_forms_of_an_answer(name: str, proxy: ProxyProcess, upstream: Upstream) -> None:
    answered, expected = ANSWERS[name]
    sent = post(JSON + sized(ASKED), ASKED)
    _, head, got = exchange(proxy, upstream, sent, answered)
    assert head.startswith(b"HTTP/1.1 200 OK")
    if "chunked" in name:
        size, rest = got.split(b"\r\n", 1)
        assert (int(size, 16), rest) == (len(expected), expected + b"\r\n0\r\n\r\n")
    else:
        assert got == expected
    (row,) = proxy.wait_for_rows(1)
    assert (row["status"], row["outcome"]) == (200, "ok")
    assert row["output_tokens"] == 4 or "nobody" in name


def test_several_cookies_are_several_still(proxy: ProxyProcess, upstream: Upstream) -> None:
    cookies = b"set-cookie: a=1; path=/\r\nset-cookie: b=2\r\nset-cookie: c=3\r\n"
    answered = WHOLE.replace(JSON, JSON + cookies)
    _, head, _ = exchange(proxy, upstream, post(JSON + sized(ASKED), ASKED), answered)
    assert cookies in head + b"\r\n"


BODILESS = [
    ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", True),
    ("POST", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True),
    ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", False),
    ("OPTIONS", b"HTTP/1.1 204 No Content\r\nallow: POST\r\n\r\n", False),
]


@pytest.mark.parametrize(("method", "answered", "is_call"), BODILESS)
def test_a_connection_is_used_again_after_an_answer_without_a_body(
    method: str, answered: bytes, is_call: bool, proxy: ProxyProcess, upstream: Upstream
) -> None:
    def script(wire: Wire) -> None:
        for reply in (answered, WHOLE):
            wire.body(wire.head()[1])
            wire.send(reply)

    with upstream.serving(script), client(proxy) as wire:
        wire.send(f"{method} {CHAT} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        status, fields = wire.head()
        sent = answered.decode().split("\r\n")
        assert status == sent[0]
        assert [f"{name}: {value}" for name, value in fields] == sent[1:-2]
        wire.send(post(JSON + sized(ASKED), ASKED))
        assert wire.to_the_end().endswith(ANSWER)
    rows = proxy.wait_for_rows(1 + is_call)
    assert [row["response_bytes"] for row in rows] == [0, len(ANSWER)][1 - is_call :]


@pytest.mark.parametrize(
    ("method", "path"),
    [("HEAD", "/"), ("GET", "/api/hello"), ("POST", "/api/event_logging/batch")],
)
def test_liveness_and_telemetry_pass_and_are_not_stored(
    method: str, path: str, proxy: ProxyProcess, upstream: Upstream
) -> None:
    came: list[Any] = []

    def script(wire: Wire) -> None:
        while True:
            first, fields = wire.head()
            came.append((first, wire.body(fields)))
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + b"ok" * (method != "HEAD"))

    asked = b"x" * 300_000 if method == "POST" else b""
    host = "api.anthropic.com"
    with upstream.serving(script), client(proxy, host) as wire:
        head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(asked)}\r\n\r\n"
        wire.send(head.encode() + asked)
        _, fields = wire.head()
        assert method == "HEAD" or wire.body(fields) == b"ok"
        wire.send(f"GET /v1/unheard-of HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        wire.head()
    assert came[0] == (f"{method} {path} HTTP/1.1", asked)
    (row,) = proxy.wait_for_rows(1)
    assert (row["provider"], row["operation"]) == ("anthropic", "other")


def test_whoever_expects_to_be_told_to_go_on_is(proxy: ProxyProcess, upstream: Upstream) -> None:
    def script(wire: Wire) -> None:
        assert wire.body(wire.head()[1]) == ASKED
        wire.send(WHOLE)

    with upstream.serving(script), client(proxy) as wire:
        wire.send(post(JSON + sized(ASKED) + b"expect: 100-continue\r\n"))
        assert wire.head() == ("HTTP/1.1 100 Continue", [])
        wire.send(ASKED)
        assert wire.to_the_end().endswith(ANSWER)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("encoding", PACK)
def test_compressed_requests(
    encoding: str, stream: bool, proxy: ProxyProcess, upstream: Upstream
) -> None:
    plain = ASKED if not stream else b'{"stream":true,' + ASKED[1:]
    packed = PACK[encoding](plain)
    head = JSON + sized(packed) + f"content-encoding: {encoding}\r\n".encode()
    (_, fields, body), _, got = exchange(proxy, upstream, post(head, packed), WHOLE)
    assert ("content-encoding", encoding) in fields
    if stream:  # usage is asked for in the encoding that the client chose
        asked = b'{"stream_options":{"include_usage":true},' + plain[1:]
        assert UNPACK[encoding](body) == asked
    else:
        assert body == packed
    assert got == ANSWER
    (row,) = proxy.wait_for_rows(1)
    assert (row["model"], row["prompt"]) == ("gpt-4o-mini", "Hi")
    assert row["request_bytes"] == len(packed)


@pytest.mark.parametrize("encoding", ["gzip", "xz"])
def test_a_request_whose_encoding_lies_is_left_alone(
    encoding: str, proxy: ProxyProcess, upstream: Upstream
) -> None:
    body = b'{"stream":true,' + ASKED[1:]
    head = JSON + sized(body) + f"content-encoding: {encoding}\r\n".encode()
    (_, _, came), _, got = exchange(proxy, upstream, post(head, body), WHOLE)
    assert (came, got) == (body, ANSWER)


def test_usage_is_asked_for_in_a_chunked_request(proxy: ProxyProcess, upstream: Upstream) -> None:
    body = b'{"stream":true,' + ASKED[1:]
    sent = post(
        JSON + b"transfer-encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    (_, fields, came), _, _ = exchange(proxy, upstream, sent, WHOLE)
    assert json.loads(came)["stream_options"] == {"include_usage": True}
    assert "content-length" not in dict(fields)  # two framings at once are refused by many


def answering(trailers: list[tuple[str, str]] | None = None) -> Callable[[H2], None]:
    """Answer every request of HTTP/2, and say what its trailers were."""

    def script(peer: H2) -> None:
        told: dict[int, dict[str, str]] = {}
        while True:
            match event := peer.event():
                case h2.events.TrailersReceived():
                    told[event.stream_id] = dict(event.headers)
                case h2.events.StreamEnded():
                    number = event.stream_id
                    peer.headers(number, [(":status", "103"), ("link", "</a>")])
                    fields = [(":status", "200"), ("content-type", "application/json")]
                    sums = told.get(number, {}).items()
                    peer.headers(number, [*fields, *sums])
                    peer.send(number, ANSWER, end=not trailers)
                    if trailers:
                        peer.headers(number, trailers, end=True)

    return script


def test_trailers_of_http2_go_through_both_ways(proxy: ProxyProcess, upstream: Upstream) -> None:
    with upstream.serving(answering([("x-sum", "2")])), client_h2(proxy) as peer:
        number = peer.open(CHAT)
        peer.send(number, ASKED)
        peer.headers(number, [("x-sum", "1")], end=True)
        head, body, trailers = peer.answer(number)
    assert (head["x-sum"], body, trailers) == ("1", ANSWER, {"x-sum": "2"})
    (row,) = proxy.wait_for_rows(1)
    assert (row["outcome"], row["output_tokens"]) == ("ok", 4)


def test_http2_without_a_length_to_a_provider_of_http1(tmp_path: Path) -> None:
    came: list[Any] = []

    def script(wire: Wire) -> None:
        _, fields = wire.head()
        came.append(wire.body(fields))
        wire.send(WHOLE)

    with ExitStack() as stack:
        upstream = Upstream(tmp_path, ["http/1.1"])
        stack.callback(upstream.close)
        proxy = stack.enter_context(running_proxy("llmitm", Home(tmp_path / "home"), upstream))
        with upstream.serving(script), client_h2(proxy) as peer:
            number = peer.open(CHAT, headers={"content-type": "application/json"})
            peer.send(number, ASKED)
            peer.headers(number, [("x-sum", "1")], end=True)
            assert peer.answer(number)[1] == ANSWER
            form = peer.open("/v1/audio/transcriptions", headers={"content-type": "audio/wav"})
            peer.send(form, b"RIFF" * 1000, end=True)
            assert peer.answer(form)[1] == ANSWER
        assert came == [ASKED, b"RIFF" * 1000]


def test_the_end_of_a_call_is_one_row(proxy: ProxyProcess, upstream: Upstream) -> None:
    """A client that leaves in the middle of its request, then one that stays."""
    left = []

    def script(wire: Wire) -> None:
        head = wire.head()
        left.append(head)
        wire.body(head[1])
        wire.send(WHOLE)

    with upstream.serving(script):
        with client(proxy) as wire:
            wire.send(post(JSON + b"content-length: 1000\r\n", ASKED))
            until(lambda: proxy.health()["in_flight"] == 1, proxy.health)
        until(lambda: proxy.health()["in_flight"] == 0, proxy.health)
        assert not left  # what is held until it is whole never went anywhere
        with client(proxy) as wire:
            wire.send(post(JSON + sized(ASKED), ASKED))
            assert wire.to_the_end().endswith(ANSWER)
    rows = proxy.wait_for_rows(2)
    assert [row["outcome"] for row in rows] == ["cancelled", "ok"]
