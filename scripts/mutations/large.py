"""Bodies that are large, expand, or are made for an algorithm to choke on."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

import brotli
import zstandard

MB = 1024 * 1024
_LARGE = 50 * MB
_LONG = 10 * MB
_BOMB = 1024 * MB
_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def full(unit: bytes, size: int = _LARGE) -> bytes:
    """Return so many bytes of one thing again and again."""
    return (unit * (size // len(unit) + 1))[:size]


def stream(payload: object, before: bytes) -> bytes:
    """Return a stream of one event: `before` is `data: `, or nothing for lines of JSON."""
    return full(before + json.dumps(payload).encode() + b"\n\n", _LONG)


GARBAGE: dict[str, Callable[[], bytes]] = {
    "random": lambda: Random(1).randbytes(_LARGE),
    "zeros": lambda: bytes(_LARGE),
    "opened": lambda: full(b"["),
    "objects": lambda: full(b'{"a":'),
    "quotes": lambda: b"{" + full(b'"'),
    "escapes": lambda: b'{"a": "' + full(b"\\"),
    "one line": lambda: b"data: " + full(b"x"),
    "no colon": lambda: b"data" + full(b"x"),
    "empty data": lambda: full(b"data:\n"),
    "breaks": lambda: b"data:\n" + full(b"\n"),
    "returns": lambda: b"data:\n" + full(b"\r"),
    "white": lambda: full(b" "),
    "lines": lambda: full(b"}\n{"),
    "almost lines": lambda: b"{" + full(b"}  \r  "),
    "elements": lambda: b"[" + full(b'{"a":1},'),
}


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Brotli:
    def __init__(self) -> None:
        compressor = brotli.Compressor(quality=5)
        self.compress, self.flush = compressor.process, compressor.finish


_COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "gzip": lambda: zlib.compressobj(9, wbits=31),
    "deflate": lambda: zlib.compressobj(9),
    "br": _Brotli,
    "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
}
BOMBS = tuple(_COMPRESSORS)


def bomb(encoding: str, unit: bytes) -> bytes:
    """Return what decodes to a gigabyte of one thing again and again."""
    compressor = _COMPRESSORS[encoding]()
    piece = full(unit, 16 * MB)
    return (
        b"".join(compressor.compress(piece) for _ in range(_BOMB // len(piece)))
        + compressor.flush()
    )


def members(encoding: str) -> bytes:
    """Return a great many compressed things one after the other, of which each is nothing."""
    compressor = _COMPRESSORS[encoding]()
    return full(compressor.compress(b"") + compressor.flush(), _LONG)


_MESSAGE = '{"role": "user", "content": "hi"}'
_MARKED = '{"role": "user", "content": "hi", "cache_control": {"type": "ephemeral"}}'
_PICTURE = '{"role": "user", "content": "data:image/png;base64,%s"}'
_SECRETS = {
    "tokens": "eyJ",
    "long tokens": "eyJhbGciOiJIUzI1NiJ9eyJhbGciOiJIUzI1NiJ9",
    "keys": "-----BEGIN PRIVATE KEY-----\\n",
    "ends": "-----BEGIN PRIVATE KEY-----abc-----END ",
    "dashes": "-----BEGIN PRIVATE KEY-----" + "-" * 1_000,
    "starts": "sk-abc AIza AKIA ghp_ Bearer x dapi hf_ ",
}
_FIELD = b'--x\r\ncontent-disposition: form-data; name="%s"\r\n\r\nv\r\n'
_FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'


def _asked(*messages: str) -> bytes:
    return f'{{"model": "gpt-4o-mini", "messages": [{",".join(messages)}]}}'.encode()


def _answered(message: str) -> bytes:
    return f'{{"choices": [{{"index": 0, "message": {{{message}}}}}]}}'.encode()


def _keys(count: int) -> str:
    return ",".join(f'"k{number}": {number}' for number in range(count))


def _secrets(unit: str) -> bytes:
    return _asked('{"role": "user", "content": "%s"}' % (unit * (2 * MB // len(unit))))


REQUESTS: dict[str, Callable[[], bytes]] = {
    "messages": lambda: _asked(*[_MESSAGE] * 200_000),
    "cache marks": lambda: _asked(*[_MARKED] * 50_000),
    "keys": lambda: f'{{"messages": [{{{_keys(500_000)}}}]}}'.encode(),
    "prompt": lambda: _asked(f'{{"role": "user", "content": "{"word " * 2_000_000}"}}'),
    "picture": lambda: _asked(_PICTURE % ("QUJD" * MB)),
    "no picture": lambda: _asked(_PICTURE % ("QUJD" * MB + "?")),
    **{f"secrets, {name}": partial(_secrets, unit) for name, unit in _SECRETS.items()},
}
RESPONSES: dict[str, Callable[[], bytes]] = {
    "calls": lambda: _answered(f'"tool_calls": [{",".join([json.dumps(_CALL)] * 50_000)}]'),
    "choices": lambda: f'{{"choices": [{",".join([_MESSAGE] * 100_000)}]}}'.encode(),
    "keys": lambda: f'{{"usage": {{{_keys(500_000)}}}}}'.encode(),
    "text": lambda: _answered(f'"content": "{"word " * 2_000_000}"'),
}
VECTORS: dict[str, Callable[[], bytes]] = {
    "pairs": lambda: b'{"data": [' + b"[1]," * 1_000_000 + b"1]}",
    "open": lambda: b'{"data": "[' + b"0.123," * 1_000_000 + b'"}',
    "one number": lambda: b'{"data": "[' + b"1" * _LONG + b'"}',
    "spaces": lambda: b'{"data": "' + b"[1 , " * 1_000_000 + b'"}',
}
FORMS: dict[str, Callable[[], bytes]] = {
    "one name": lambda: _FIELD % b"a" * 1_000_000,
    "many names": lambda: b"".join(_FIELD % str(number).encode() for number in range(300_000)),
    "many files": lambda: (_FILE + b"\xff\xfb\x90\x00\r\n") * 200_000,
    "boundaries": lambda: full(b"--x"),
    "names in a head": lambda: b"--x\r\n" + full(b'name="', _LONG) + b"\r\n\r\nv",
    "an open name": lambda: b"--x\r\n" + full(b'name="\\', _LONG) + b"\r\n\r\nv",
    "types in a head": lambda: b"--x\r\n" + full(b"content-type:\r\n", _LONG) + b"\r\n\r\nv",
    "a long file": lambda: _FILE + full(b"\xff\xfb\x90\x64" + bytes(413)),
    "no WebM": lambda: _FILE + b"\x1a\x45\xdf\xa3" + full(b"\xa3\x80"),
    "no WAV": lambda: _FILE + b"RIFF\xff\xff\xff\xffWAVE" + full(b"LIST\0\0\0\0"),
}
"""Their boundary is `x`."""
