from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from exchanged import exchanged
from llmitm.calls import Exchange, Json
from llmitm.errors import SettingsError
from llmitm.replays import Recording, Replay, portable

URL = "api.openai.com/v1/chat/completions"


def call(question: str, said: str = "yes", *, url: str = URL, **more: Json) -> Exchange:
    body = {"model": "m", "messages": [{"role": "user", "content": question}], **more}
    made = exchanged(url, {"said": said}, body)
    made.request_headers = [*made.request_headers, ("Authorization", "Bearer sk-secret-0123456789")]
    return made


def recorded(path: Path, *calls: Exchange) -> Replay:
    recording = Recording(path)
    for each in calls:
        recording.add(each)
    recording.close()
    return Replay.read(path)


def said(found: Exchange | str) -> str:
    assert isinstance(found, Exchange), found
    text: str = json.loads(b"".join(found.chunks))["said"]
    return text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


def test_answers_come_in_the_order_in_which_they_were_recorded(path: Path) -> None:
    replay = recorded(path, call("a", "1"), call("b", "2"), call("a", "3"))
    assert [said(replay.find(call("a"))) for _ in range(4)] == ["1", "3", "3", "3"]
    assert said(replay.find(call("b"))) == "2"
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_key_and_another_session_find_it(path: Path) -> None:
    replay = recorded(path, call("a", url=f"{URL}?key=one"))
    other = call("a", url=f"{URL}?key=two")
    other.request_headers = [("content-type", "application/json"), ("x-api-key", "dummy")]
    assert said(replay.find(other)) == "yes"


def test_no_keys_and_no_cookies_are_in_the_file(path: Path) -> None:
    made = call("my key is sk-secret-0123456789", url=f"{URL}?key=AIzaSecretSecret")
    made.request_headers = [*made.request_headers, ("Cookie", "c=secret"), ("x-own", "kept")]
    made.response_headers = [*made.response_headers, ("Set-Cookie", "d=secret")]
    made.chunks, made.chunk_times = [b'{"said":"sk-secret-', b'0123456789"}'], [1.0, 2.0]
    replay = recorded(path, made)
    text = path.read_text()
    assert "ecret" not in text
    assert "kept" in text
    assert said(replay.find(made)) == "[redacted]"


def test_chunks_and_times_are_kept(path: Path) -> None:
    made = call("a")
    whole = gzip.compress(b'data: {"said":1}\n\ndata: [DONE]\n\n')
    made.chunks, made.chunk_times = [whole[:20], whole[20:]], [5.0, 7.5]
    made.response_headers = [("content-type", "text/event-stream"), ("content-encoding", "gzip")]
    made.usage_injected, made.latency_ms = True, 8.0
    found = recorded(path, made).find(call("a"))
    assert isinstance(found, Exchange)
    assert found.chunk_times == portable(made).chunk_times
    assert found.chunks == portable(made).chunks
    assert b"".join(found.chunks) == gzip.decompress(whole)
    assert (found.usage_injected, found.latency_ms) == (True, 8.0)


def test_binary_bodies(path: Path) -> None:
    made = call("a")
    made.request_body, made.chunks = b"\xff\0", [b"\xfe\0"]
    found = recorded(path, made).find(made)
    assert isinstance(found, Exchange)
    assert (found.request_body, found.chunks) == (b"\xff\0", [b"\xfe\0"])


def test_errors_are_recorded_too(path: Path) -> None:
    made = call("a")
    made.status = 429
    found = recorded(path, made).find(made)
    assert isinstance(found, Exchange)
    assert found.status == 429


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            call("Hello", "", temperature=1),
            ["the nearest is call 2", "$.temperature", "recorded nothing, asked 1"],
        ),
        (
            call("Hallo"),
            ["call 2", "$.messages[0].content", 'recorded "Hello"', 'asked "Hallo"'],
        ),
        (
            call("Hello", url="api.openai.com/v1/responses"),
            ["call 2", "call.path", "/v1/chat/completions", "/v1/responses"],
        ),
        (
            call("x", url="api.anthropic.com/v1/messages", model="claude"),
            ["call 2", "call.origin", "api.openai.com", "api.anthropic.com"],
        ),
    ],
)
def test_a_miss_names_the_nearest_and_the_first_difference(
    path: Path, asked: Exchange, words: list[str]
) -> None:
    replay = recorded(path, call("something else", tools=[]), call("Hello"))
    found = replay.find(asked)
    assert isinstance(found, str)
    for word in words:
        assert word in found


def test_a_file_without_calls(path: Path) -> None:
    path.touch()
    assert "has no calls" in str(Replay.read(path).find(call("a")))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"no json", r":1: is no JSON"),
        (b'{"host":1}', r":1: host = 1: allowed is text"),
        (
            b'{"host":"h","method":"POST","path":"/","status":200,"response_body":"ab","response_chunks":[[1,0]]}',
            r":1: response_chunks = .*: allowed is lengths that add up to the 2 bytes",
        ),
        (
            b'{"host":"h","method":"POST","path":"/","response_chunks":[[0,0]]}',
            r"allowed is a list of \[bytes, milliseconds\]",
        ),
    ],
)
def test_what_is_wrong_with_a_file(path: Path, line: bytes, said: str) -> None:
    path.write_bytes(line)
    with pytest.raises(SettingsError, match=said):
        Replay.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Replay.read(tmp_path / "none")
    with pytest.raises(SettingsError, match="cannot be written"):
        Recording(tmp_path / "none" / "calls.jsonl")


def volatile(number: int) -> Any:
    made = call("a", metadata={"user_id": f"session {number}"})
    made.request_headers = [*made.request_headers, ("user-agent", "claude-cli/2.1.330")]
    return made


def test_what_a_client_changes_every_time_does_not_matter(path: Path) -> None:
    assert said(recorded(path, volatile(1)).find(volatile(2))) == "yes"
