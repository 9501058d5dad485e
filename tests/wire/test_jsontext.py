from __future__ import annotations

import pytest

from llmitm.wire.jsontext import compact, parse, parse_or_none


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'  \n\n {"a": 1}\n', {"a": 1}),  # OpenRouter keeps the connection alive with blanks
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_what_the_strict_parser_refuses(text: bytes, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json(text: bytes) -> None:
    assert parse_or_none(text) is None


def test_compact_keeps_other_alphabets() -> None:
    assert compact({"a": ["é", 1]}) == '{"a":["é",1]}'
