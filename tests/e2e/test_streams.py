"""Many calls at once on one connection of HTTP/2: what befalls one of them is nothing to the others."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

import h2.errors
import h2.events
import pytest

from e2e.peers import H2, Closed, Upstream, both_ends, client_h2
from harness import ProxyProcess

CHAT = "/v1/chat/completions"
STREAMS = 50
SLOW, LEFT, BROKEN = 3, 7, 11
"""Whose client does not read on, whose client takes the call back, whose provider breaks off."""
LONG = 300_000
"""Characters that the slow one is to get: more than a window of HTTP/2 takes."""
EVENTS = [("content-type", "text/event-stream")]


@pytest.fixture(scope="module", params=["addon", "llmitm"])
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProxyProcess, Upstream]]:
    with both_ends(request.param, tmp_path_factory, ["h2"]) as ends:
        yield ends


def event(text: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    body = {
        "id": "1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-mini",
        "choices": [choice],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


LAST = event("", finish_reason="stop") + b"data: [DONE]\n\n"


def ask(peer: H2, name: int) -> int:
    """Ask for a stream, so that usage need not be asked for by the proxy."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    talk = [{"role": "user", "content": str(name)}]
    body = {"model": "gpt-4o-mini", "messages": talk, **options}
    return peer.ask(CHAT, json.dumps(body).encode())


def asked(peer: H2, number: int) -> dict[int, int]:
    """Wait for so many requests; return the name that each stream asks with."""
    bodies: defaultdict[int, bytes] = defaultdict(bytes)
    names: dict[int, int] = {}
    while len(names) < number:
        match found := peer.event():
            case h2.events.DataReceived():
                bodies[found.stream_id] += found.data
            case h2.events.StreamEnded():
                body = json.loads(bodies[found.stream_id])
                names[found.stream_id] = int(body["messages"][0]["content"])
    return names


def answer_all(peer: H2) -> None:
    """Answer one call; then many at once, an event of each in turn."""
    (first,) = asked(peer, 1)
    peer.headers(first, [(":status", "200"), *EVENTS])
    peer.send(first, LAST, end=True)
    names = asked(peer, STREAMS)
    for stream in names:
        peer.headers(stream, [(":status", "200"), *EVENTS])
    for stream, name in names.items():
        peer.send(stream, event(f"first {name}"))
    peer.until(h2.events.StreamReset)  # of the client that leaves
    running = {stream: name for stream, name in names.items() if name != LEFT}
    for stream, name in running.items():
        if name == BROKEN:
            peer.http.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            peer.flush()
        else:
            peer.send(stream, event("x" * LONG if name == SLOW else f"second {name}"))
            peer.send(stream, LAST, end=True)
    while True:
        peer.event()  # until the proxy goes


def test_fifty_at_once(ends: tuple[ProxyProcess, Upstream]) -> None:
    proxy, upstream = ends
    proxy.skip()
    bodies: defaultdict[int, bytes] = defaultdict(bytes)
    ended: set[int] = set()
    reset: set[int] = set()

    with upstream.serving(answer_all), client_h2(proxy) as peer:
        peer.http.increment_flow_control_window(16 * 1024 * 1024)  # of the connection
        # Calls that come before there is a connection would each open one of their own.
        assert peer.answer(ask(peer, STREAMS))[1] == LAST
        names = {ask(peer, name): name for name in range(STREAMS)}
        peer.slow = {stream for stream, name in names.items() if name == SLOW}

        def read() -> None:
            match found := peer.event():
                case h2.events.DataReceived():
                    name = names[found.stream_id]
                    bodies[name] += found.data
                    if name == LEFT:
                        peer.reset(found.stream_id)
                case h2.events.StreamEnded():
                    ended.add(names[found.stream_id])
                case h2.events.StreamReset():
                    reset.add(names[found.stream_id])

        others = set(range(STREAMS)) - {SLOW, LEFT, BROKEN}
        while ended != others or reset != {BROKEN}:
            read()
        assert len(bodies[SLOW]) < LONG  # all others have ended, this one has not
        (stream,) = peer.slow
        peer.slow = set()
        peer.http.increment_flow_control_window(LONG * 2, stream)
        peer.flush()
        while SLOW not in ended:
            read()

    for name in others:
        assert bodies[name] == event(f"first {name}") + event(f"second {name}") + LAST
    assert bodies[SLOW] == event(f"first {SLOW}") + event("x" * LONG) + LAST
    assert bodies[BROKEN] == event(f"first {BROKEN}")
    rows = proxy.wait_for_rows(STREAMS + 1)
    outcomes = {int(row["prompt"]): row["outcome"] for row in rows}
    assert len(rows) == len(outcomes) == STREAMS + 1
    assert (outcomes[LEFT], outcomes[BROKEN]) == ("cancelled", "error")
    assert Counter(outcomes.values()) == {"ok": STREAMS - 1, "cancelled": 1, "error": 1}


def test_a_provider_that_goes_away(ends: tuple[ProxyProcess, Upstream]) -> None:
    """mitmproxy breaks off what is running, as it does without us; the next call finds a new connection."""
    proxy, upstream = ends
    proxy.skip()
    served = []

    def script(peer: H2) -> None:
        served.append(peer)
        (stream,) = asked(peer, 1)
        peer.headers(stream, [(":status", "200"), *EVENTS])
        peer.send(stream, event("first"))
        if len(served) == 1:
            peer.http.close_connection(last_stream_id=stream)
            peer.flush()
            raise Closed
        peer.send(stream, LAST, end=True)
        while True:
            peer.event()

    with upstream.serving(script), client_h2(proxy) as peer:
        stream = ask(peer, 1)
        assert peer.until(h2.events.DataReceived, stream).data == event("first")
        peer.until(h2.events.StreamReset, stream)
        _, body, _ = peer.answer(ask(peer, 2))
        assert body == event("first") + LAST
    broken, whole = proxy.wait_for_rows(2)
    assert (broken["outcome"], broken["error_type"]) == ("error", "upstream_broke")
    assert whole["outcome"] == "ok"
    assert len(served) == 2
