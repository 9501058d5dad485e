from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import Exchange
from llmitm.exchanges import Fault, read

NOW = 1_790_000_000.0
LINE: dict[str, Any] = {
    "id": "one",
    "timestamp": "2026-05-01T12:00:00Z",
    "host": "api.openai.com",
    "method": "post",
    "path": "/v1/models?limit=1",
    "request_headers": [["Content-Type", "application/json"], [":authority", "x"]],
    "request_body": "{}",
    "status": 200,
    "response_headers": [["x", "1"], ["x", "2"]],
    "response_body_b64": b64encode(b"\xff\0").decode(),
}
ENTRY: dict[str, Any] = {
    "startedDateTime": "2026-05-01T14:00:00.5+02:00",
    "time": 120.5,
    "timings": {"blocked": -1, "dns": 10, "connect": 20, "ssl": 15, "send": 1, "wait": 69},
    "request": {
        "method": "POST",
        "url": "https://api.anthropic.com/v1/messages?beta=true",
        "headers": [{"name": "x-api-key", "value": "k"}],
        "postData": {"mimeType": "application/json", "text": '{"model":"m"}'},
    },
    "response": {
        "status": 200,
        "headers": [{"name": "Content-Encoding", "value": "br"}, {"name": "b", "value": "c"}],
        "content": {"text": b64encode(b"hello").decode(), "encoding": "base64"},
    },
}


def lines(*documents: Any) -> list[Exchange | Fault]:
    return list(read([json.dumps(each).encode() + b"\n" for each in documents], "file", NOW))


def har(*entries: Any, indent: int | None = 1) -> list[Exchange | Fault]:
    text = json.dumps({"log": {"version": "1.2", "entries": entries}}, indent=indent)
    return list(read(text.encode().splitlines(keepends=True), "file", NOW))


def exchange(found: list[Exchange | Fault]) -> Exchange:
    (only,) = found
    assert isinstance(only, Exchange), only
    return only


def test_a_line() -> None:
    assert exchange(lines(LINE)) == Exchange(
        id="one",
        started_at=1_777_636_800.0,
        method="POST",
        scheme="https",
        host="api.openai.com",
        port=443,
        path="/v1/models?limit=1",
        request_headers=[("Content-Type", "application/json")],
        request_body=b"{}",
        status=200,
        response_headers=[("x", "1"), ("x", "2")],
        chunks=[b"\xff\0"],
    )


def test_a_line_with_nothing_but_the_least() -> None:
    found = exchange(lines({"host": "localhost:11434", "method": "GET", "path": "/"}))
    assert (found.id, found.started_at, found.status) == ("file:1", NOW, None)
    assert found.ending == "no_answer"
    assert (found.scheme, found.host, found.port) == ("http", "localhost", 11434)
    assert (found.request_body, found.chunks) == (b"", [])


def test_a_body_may_have_half_a_surrogate_pair() -> None:
    assert exchange(lines({**LINE, "request_body": "\ud83d"})).request_body == b"\xed\xa0\xbd"


@pytest.mark.parametrize("indent", [None, 1])
def test_an_entry_of_har(indent: int | None) -> None:
    assert exchange(har(ENTRY, indent=indent)) == Exchange(
        id="file: entry 1",
        started_at=1_777_636_800.5,
        method="POST",
        scheme="https",
        host="api.anthropic.com",
        port=443,
        path="/v1/messages?beta=true",
        request_headers=[("x-api-key", "k")],
        request_body=b'{"model":"m"}',
        status=200,
        response_headers=[("b", "c")],
        chunks=[b"hello"],
        chunk_times=[120.5],
        first_byte_ms=100.0,
        latency_ms=120.5,
    )


def test_an_entry_without_an_answer_has_no_status() -> None:
    found = exchange(har({**ENTRY, "response": {"status": 0, "headers": [], "content": {}}}))
    assert (found.status, found.chunks, found.ending) == (None, [], "no_answer")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"host": None}, "host is missing: allowed is text"),
        ({"host": 7}, "host = 7: allowed is text"),
        ({"host": "a:b"}, 'host = "a:b": allowed is a name, or name:port'),
        ({"host": "a/b"}, 'host = "a/b": allowed is a name, or name:port'),
        ({"scheme": "ftp"}, 'scheme = "ftp": allowed is https or http'),
        ({"status": 42}, "status = 42: allowed is an HTTP status"),
        (
            {"timestamp": "yesterday"},
            'timestamp = "yesterday": allowed is a time in ISO 8601, such as 2026-11-24T12:00:00Z',
        ),
        (
            {"request_headers": [["a"]]},
            'request_headers = [["a"]]: allowed is a list of [name, value]',
        ),
        ({"request_body": {}}, "request_body = {}: allowed is text"),
        ({"response_body_b64": "?"}, 'response_body_b64 = "?": allowed is base64'),
        ({"path": "x" * 99, "method": 1}, "method = 1: allowed is text"),
    ],
)
def test_a_wrong_line_says_what_is_allowed(change: dict[str, Any], reason: str) -> None:
    assert lines(LINE, {**LINE, **change}, LINE)[1] == Fault("file:2", reason)


def test_a_wrong_entry_says_where_and_the_others_are_read() -> None:
    found = har(ENTRY, {"request": {"url": "about:blank"}}, 5)
    assert isinstance(found[0], Exchange)
    assert found[1:] == [
        Fault(
            "file: entry 2",
            'request.url = "about:blank": allowed is an address with https or http',
        ),
        Fault("file: entry 3", "it is 5: allowed is an object"),
    ]


def test_a_broken_first_line_leaves_the_rest() -> None:
    good = json.dumps(LINE).encode()
    first, second = read([b"{broken\n", b"\n", good], "file", NOW)
    assert isinstance(first, Fault)
    assert first.place == "file:1"
    assert first.reason.startswith("is no JSON")
    assert isinstance(second, Exchange)


def test_nothing_is_nothing() -> None:
    assert list(read([], "file", NOW)) == []
    assert list(read([b"\n", b"  \n"], "file", NOW)) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*LINE, *ENTRY, "url"]), inner),
    max_leaves=20,
)


@given(change=st.dictionaries(st.sampled_from([*LINE, "scheme"]), json_values))
def test_a_hostile_line_never_raises(change: dict[str, Any]) -> None:
    lines({**LINE, **change})


@given(entry=json_values)
def test_a_hostile_entry_never_raises(entry: Any) -> None:
    har(entry, {**ENTRY, "request": entry}, {**ENTRY, "timings": entry, "time": entry})


@given(text=st.binary())
def test_hostile_bytes_never_raise(text: bytes) -> None:
    list(read(text.splitlines(keepends=True), "file", NOW))
