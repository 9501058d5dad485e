"""WebSockets through a real proxy: frames untouched, a row for each turn while the socket lives, memory flat."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from e2e.sockets import (
    ANSWER,
    AUDIO,
    SocketProvider,
    connected,
    events,
    socket_provider,
    take_turn,
)
from harness import Kind, ProxyProcess, running_proxy, until
from llmitm.home import Home

_REALTIME = "/v1/realtime?model=gpt-realtime"
_MB = 1024 * 1024


@pytest.fixture(scope="module")
def provider() -> Iterator[SocketProvider]:
    with socket_provider() as found:
        yield found


@pytest.fixture(params=["llmitm", "addon"])
def proxy(
    request: pytest.FixtureRequest, provider: SocketProvider, tmp_path: Path
) -> Iterator[ProxyProcess]:
    kind: Kind = request.param
    with running_proxy(kind, Home(tmp_path / "llmitm"), provider) as process:
        yield process


@pytest.mark.parametrize("compression", ["deflate", None])
def test_frames_pass_untouched(
    proxy: ProxyProcess, provider: SocketProvider, compression: str | None
) -> None:
    random_ = random.Random(1)
    sent: list[str | bytes] = [
        "",
        "\0",
        "no JSON, and an emoji \N{WATER WAVE}",
        '{"type": "response.done", "response": 5}',
        '{ "type" : "response.create", "event_id" : [1e400] }',
        b"",
        b"\xff\xfe\0{",
        json.dumps({"type": "input_audio_buffer.append", "audio": AUDIO * 64}),
        random_.randbytes(2 * _MB),
    ]
    provider.received.clear()
    with connected(proxy, f"{_REALTIME}&echo", compression=compression) as socket:
        for frame in sent:
            socket.send(frame)
        back = [socket.recv(timeout=20) for _ in sent]
    assert back == sent
    assert provider.received == sent
    health = proxy.health()
    assert not health["faults"], proxy.said()


def test_a_row_for_each_turn_while_the_socket_lives(proxy: ProxyProcess) -> None:
    with connected(proxy, _REALTIME) as socket:
        for number in range(3):
            item = {"type": "message", "role": "user", "content": [_said(f"question {number}")]}
            socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": AUDIO}))
            take_turn(socket)
            rows = proxy.wait_for_rows(number + 1)
            assert len(rows) == number + 1
            row = rows[-1]
            assert f"question {number}" in row["prompt"]
            assert row["response"] == ANSWER
            assert (row["model"], row["operation"]) == ("gpt-realtime", "realtime")
            assert (row["input_tokens"], row["output_audio_tokens"]) == (100, 40)
            assert row["cost_nanousd"] > 0
            assert 0 < row["first_content_ms"] <= row["latency_ms"]
            assert row["request_bytes"] > len(AUDIO)
            assert row["response_bytes"] > 3 * len(AUDIO)
    until(lambda: _is_at_rest(proxy), proxy.said)
    rows = proxy.all_rows()
    assert len(rows) == 3
    assert len({row["socket_id"] for row in rows}) == 1
    assert rows[0]["socket_id"]
    assert rows[0]["id"] != rows[0]["socket_id"]
    assert {row["api_key"] for row in rows} == {rows[0]["api_key"]}


def test_responses_over_a_socket(proxy: ProxyProcess) -> None:
    with connected(proxy, "/v1/responses") as socket:
        take_turn(socket, model="gpt-5.4-mini", input=[], generate=False)
        take_turn(socket, model="gpt-5.4-mini", input="first", previous_response_id="resp_00000001")
        take_turn(
            socket, model="gpt-5.4-mini", input="second", previous_response_id="resp_00000002"
        )
        warm, first, second = proxy.wait_for_rows(3)
    assert [row["operation"] for row in (warm, first, second)] == ["other", "chat", "chat"]
    assert (first["prompt"], first["response"]) == ("first", ANSWER)
    assert (first["input_tokens"], first["output_tokens"], first["streaming"]) == (9, 4, 1)
    assert warm["output_tokens"] == 0
    assert second["thread_key"] == first["thread_key"]
    assert all(row["cost_nanousd"] for row in (warm, first, second))


def test_a_turn_without_an_end_is_cut(proxy: ProxyProcess) -> None:
    with connected(proxy, "/v1/responses") as socket:
        take_turn(socket, model="gpt-5.4-mini", input="whole")
        socket.send(json.dumps({"type": "response.create", "model": "m", "input": "never"}))
        assert json.loads(socket.recv(timeout=20))["type"] == "response.created"
    whole, cut = proxy.wait_for_rows(2)
    assert (whole["outcome"], cut["outcome"]) == ("ok", "cancelled")
    assert cut["prompt"] == "never"


def test_a_socket_without_turns_is_one_row(proxy: ProxyProcess) -> None:
    with connected(proxy, _REALTIME) as socket:
        assert json.loads(socket.recv(timeout=20))["type"] == "session.created"
    (row,) = proxy.wait_for_rows(1)
    assert (row["operation"], row["status"], row["socket_id"]) == ("realtime", 101, None)


def test_refused(provider: SocketProvider, tmp_path: Path) -> None:
    provider.handshakes.clear()
    environment = {"LLMITM_SOCKETS_REFUSE_RESPONSES": "true"}
    home = Home(tmp_path / "llmitm")
    with running_proxy("addon", home, provider, environment=environment) as proxy:
        with pytest.raises(InvalidStatus) as refused, connected(proxy, "/v1/responses"):
            pass
        assert refused.value.response.status_code == 426
        with connected(proxy, _REALTIME) as socket:  # which has no other form
            take_turn(socket)
        row = proxy.wait_for_rows(2)[0]
    assert provider.handshakes == [_REALTIME]
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (426, "websocket_refused", 0)


def test_killed_in_the_middle(provider: SocketProvider, tmp_path: Path) -> None:
    home = Home(tmp_path / "llmitm")
    with running_proxy("llmitm", home, provider) as proxy:
        with connected(proxy, _REALTIME) as socket:
            for _ in range(5):
                take_turn(socket)
            proxy.wait_for_rows(5)
            socket.send(json.dumps({"type": "response.create"}))
            proxy.stop(signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                events(socket, until="the end of the socket")
        assert len(proxy.all_rows()) in (5, 6)


@pytest.mark.parametrize("proxy", ["llmitm"], indirect=True)
def test_a_thousand_turns_in_flat_memory(proxy: ProxyProcess) -> None:
    heard = json.dumps({"type": "input_audio_buffer.append", "audio": AUDIO})
    sizes: dict[int, float] = {}
    with connected(proxy, _REALTIME, compression=None) as socket:
        for number in range(1, 1_001):
            socket.send(heard)
            socket.send(heard)
            take_turn(socket)
            if number in (100, 1_000):
                proxy.wait_for_rows(number)
                sizes[number] = _resident_mb(proxy.process.pid)
        rows = proxy.wait_for_rows(1_000)
    print(sizes)
    assert len(rows) == 1_000
    assert len({row["response_id"] for row in rows}) == 1_000
    assert sum(row["input_tokens"] for row in rows) == 100_000
    # 80 MB of sound have passed. What grows is the store's memory of parts, and SQLite's pages.
    assert sizes[1_000] - sizes[100] < 12, sizes


def _is_at_rest(proxy: ProxyProcess) -> bool:
    health = proxy.health()
    return bool(health["in_flight"] == health["waiting"] == 0)


def _said(text: str) -> dict[str, str]:
    return {"type": "input_text", "text": text}


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / _MB
