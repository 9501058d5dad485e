from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.usage_chunk import UsageRemover, ask, ask_encoded, may_stream
from wire.chunks import cut_points, pieces

WITHOUT = [
    b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"say \\"usage\\":null, please"}}]}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"details":{"a":1},"total_tokens":5}}\n\n'


def asked_for(events: list[bytes]) -> bytes:
    with_null = [event.replace(b"}\n\n", b',"usage":null}\n\n') for event in events[:-1]]
    return b"".join([*with_null, USAGE, events[-1]])


def removed(stream: bytes, cuts: list[int]) -> bytes:
    remover = UsageRemover()
    return b"".join([*map(remover.feed, pieces(stream, cuts)), remover.flush()])


@given(cut_points)
def test_the_client_sees_what_it_would_have_seen(cuts: list[int]) -> None:
    assert removed(asked_for(WITHOUT), cuts) == b"".join(WITHOUT)


@given(cut_points)
def test_other_line_endings(cuts: list[int]) -> None:
    stream = asked_for(WITHOUT).replace(b"\n", b"\r\n")
    assert removed(stream, cuts) == b"".join(WITHOUT).replace(b"\n", b"\r\n")


def test_usage_beside_choices_goes_and_the_choices_stay() -> None:
    event = b'data: {"choices":[{"index":0}],"usage":{"total_tokens":5},"model":"m"}\n\n'
    assert removed(event, []) == b'data: {"choices":[{"index":0}],"model":"m"}\n\n'


@given(st.binary(max_size=300), cut_points)
def test_anything_else_passes_unchanged(data: bytes, cuts: list[int]) -> None:
    if b'"usage"' not in data:
        assert removed(data, cuts) == data


def test_whole_events_pass_at_once() -> None:
    remover = UsageRemover()
    for event in WITHOUT:
        assert remover.feed(event) == event


def test_asking_changes_nothing_else() -> None:
    body = b'{ "model": "m",  "stream":true}'
    asked = ask(body, json.loads(body))
    assert asked == b'{"stream_options":{"include_usage":true}, "model": "m",  "stream":true}'


def test_options_of_the_client_are_kept() -> None:
    body = {"stream": True, "stream_options": {"include_obfuscation": False}}
    asked = ask(json.dumps(body).encode(), body)
    assert asked is not None
    assert json.loads(asked)["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"stream": False},
        {"model": "m"},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": True, "stream_options": "nonsense"},
        [],
        None,
    ],
)
def test_what_is_left_alone(body: object) -> None:
    assert ask(json.dumps(body).encode(), body) is None


def test_a_cheap_look_before_parsing() -> None:
    assert may_stream(b'{"stream" : true}')
    assert not may_stream(b'{"messages": [{"content": "\\"stream\\": true"}]}')


def test_a_compressed_body_stays_compressed() -> None:
    body = b'{"stream":true}'
    asked = ask_encoded(gzip.compress(body), "gzip")
    assert asked is not None
    assert gzip.decompress(asked) == ask(body, {"stream": True})


@pytest.mark.parametrize("encoding", ["gzip", "xz", "gzip, br"])
def test_a_body_that_is_not_what_its_encoding_says_is_left_alone(encoding: str) -> None:
    assert ask_encoded(b'{"stream":true}', encoding) is None
