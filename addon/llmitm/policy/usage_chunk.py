"""Ask an OpenAI-dialect stream for its usage, and take what that adds out of the client's stream again.

With `include_usage` the provider sends one more chunk, with no choices and the usage, and `"usage":null` in all
others. Both are removed, so that the client's bytes are those that it would have had.
https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options (read 2026-11-24)
"""

from __future__ import annotations

import json
import re

from llmitm.calls import Json
from llmitm.wire import jsontext
from llmitm.wire.encodings import decode, encode

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_NULL = re.compile(rb',[ \t]*"usage"[ \t]*:[ \t]*null|"usage"[ \t]*:[ \t]*null[ \t]*,[ \t]*')
_VALUE = re.compile(r',\s*"usage"\s*:\s*(?=\{)')
_STREAM = re.compile(rb'"stream"\s*:\s*true')


def may_stream(body: bytes) -> bool:
    """Tell cheaply whether a request body is worth parsing for `ask`."""
    return _STREAM.search(body) is not None


def ask(body: bytes, document: Json) -> bytes | None:
    """Return the body with usage asked for; None where the client asks itself, or does not stream.

    `document` is the parsed body. The rest of the body stays as it was, byte for byte, unless the client sent
    stream options of its own.
    """
    if not isinstance(document, dict) or document.get("stream") is not True:
        return None
    options = document.get("stream_options")
    if options is None and "stream_options" not in document:
        start = body.index(b"{") + 1
        return body[:start] + b'"stream_options":{"include_usage":true},' + body[start:]
    if isinstance(options, dict) and options.get("include_usage") is True:
        return None
    if options is not None and not isinstance(options, dict):
        return None  # the provider is to say what is wrong with it
    return jsontext.compact(
        {**document, "stream_options": {**(options or {}), "include_usage": True}}
    ).encode()


def ask_encoded(body: bytes, encoding: str | None) -> bytes | None:
    """Do as `ask` with a body as it is on the wire, in the encoding that it came in.

    None also where that is not known to us, or the body is not what its header says.
    """
    plain = decode(body, encoding)
    if (encoding and plain == body) or not may_stream(plain):
        return None
    asked = ask(plain, jsontext.parse_or_none(plain))
    return asked if asked is None or not encoding else encode(asked, encoding)


class UsageRemover:
    """Take the asked-for usage out of a stream, in pieces of any size. Whole events pass at once."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what the client is to see of a piece; an event that is still open is kept back."""
        text = self._rest + data
        out: list[bytes] = []
        start = 0
        for end in _EVENT_END.finditer(text):
            out.append(_cleaned(text[start : end.end()]))
            start = end.end()
        self._rest = text[start:]
        return b"".join(out)

    def flush(self) -> bytes:
        """Return what was kept back when the stream ended."""
        rest, self._rest = self._rest, b""
        return _cleaned(rest)


def _cleaned(event: bytes) -> bytes:
    if b'"usage"' not in event:
        return event
    without_null = _NULL.sub(b"", event, count=1)
    if without_null != event:
        return without_null
    document = jsontext.parse_or_none(event.strip().removeprefix(b"data:"))
    if not isinstance(document, dict) or not isinstance(document.get("usage"), dict):
        return event
    if document.get("choices") == []:
        return b""
    return _without_value(event)


def _without_value(event: bytes) -> bytes:
    """Take a usage object out of a chunk that has choices too, as some compatible servers send it."""
    text = event.decode()
    match = _VALUE.search(text)
    if match is None:
        return event
    _, end = json.JSONDecoder().raw_decode(text, match.end())
    return (text[: match.start()] + text[end:]).encode()
