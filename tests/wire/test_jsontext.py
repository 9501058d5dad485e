from __future__ import annotations

import pytest

from llmitm.wire.jsontext import TooDeep, compact, is_too_deep, parse, parse_or_none


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'  \n\n {"a": 1}\n', {"a": 1}),  # OpenRouter keeps the connection alive with blanks
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        # Put together of the pieces of a stream, of which each may end in half a letter.
        ('{"a": "\ud83d"}', {"a": "\ud83d"}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_what_the_strict_parser_refuses(text: bytes | str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json(text: bytes) -> None:
    assert parse_or_none(text) is None


def test_compact_keeps_other_alphabets() -> None:
    assert compact({"a": ["é", 1]}) == '{"a":["é",1]}'


@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'["\\ud83d",'])
def test_what_is_too_deep_says_so(opened: bytes) -> None:
    closed = b"]" if opened.startswith(b"[") else b"}"
    assert parse_or_none(opened * 150 + b"1" + closed * 150) is not None
    for depth in (300, 900, 100_000):
        text = opened * depth + b"1" + closed * depth
        with pytest.raises(TooDeep):
            parse(text)
        assert is_too_deep(text)
    assert not is_too_deep(b"{}")
    assert not is_too_deep(b"<html>")
