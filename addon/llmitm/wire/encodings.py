"""HTTP content encodings, decoded piece by piece: gzip, deflate, br, zstd, and several on top of each other.

A body that breaks off, or that does not hold what its header says, gives what could be decoded and no error:
an observer must not choke on what a client accepted. What a few bytes make gigabytes of is decoded up to a limit. A body that is not encoded at all in spite of its header, as
recorders keep it, is taken as it is.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli
import zstandard

LARGEST_DECODED = 64 * 1024 * 1024
"""Bytes that one body may decode to, a little more or less."""
_LARGEST_WINDOW = 8 * 1024 * 1024
"""https://www.rfc-editor.org/rfc/rfc9659"""


class _Decompressor(Protocol):
    step: int
    """Bytes that are decoded at a time: so few that what they may become is no trouble yet."""

    def feed(self, data: bytes) -> bytes: ...


class _Zlib:
    """gzip and zlib, with several members one after the other; raw deflate, as some servers mean it."""

    step = 16 * 1024

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)  # 32 + 15: tells gzip from zlib by the header
        self._started = False

    def feed(self, data: bytes) -> bytes:
        out = b""
        while data:
            try:
                out += self._inflate.decompress(data)
            except zlib.error:
                if self._started:
                    raise
                self._inflate = zlib.decompressobj(wbits=-15)
                out += self._inflate.decompress(data)
            self._started = True
            data = self._inflate.unused_data
            if data:
                self._inflate = zlib.decompressobj(wbits=47)
        return out


class _Brotli:
    step = 32

    def __init__(self) -> None:
        self._decompress = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        return bytes(self._decompress.process(data))


class _Zstd:
    """zstd, with several frames one after the other."""

    step = 512

    def __init__(self) -> None:
        self._new = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj
        self._decompress = self._new()

    def feed(self, data: bytes) -> bytes:
        out = b""
        while data:
            if self._decompress.eof:
                self._decompress = self._new()
            out += self._decompress.decompress(data)
            data = self._decompress.unused_data
        return out


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "br": _Brotli,
    "zstd": _Zstd,
}


_FIRST_BYTES = {
    "gzip": b"\x1f\x78",
    "x-gzip": b"\x1f\x78",
    "zstd": b"\x28" + bytes(range(0x50, 0x60)),
}
"""Of a gzip member, or of zlib under its name; of a zstd frame, and of those that are to be skipped."""
_PLAIN_STARTS = {"br": b"{de:", "deflate": b"{"}
"""Of JSON and events, as far as no encoder begins so."""
_BROTLI_QUALITY = 5
"""What is compressed once and read once is not worth the default of 11, which takes a hundred times as long."""


class ContentDecoder:
    """Undo a `Content-Encoding`. `broken` is set once the bytes are not what the header says.

    `is_full` is set once more came out than is looked at; what comes after that is left out.
    """

    def __init__(self, encoding: str | None) -> None:
        names = [name.strip().lower() for name in (encoding or "").split(",")]
        names = [name for name in names if name and name != "identity"]
        self.broken = any(name not in _DECOMPRESSORS for name in names)
        self._chain: list[_Decompressor] = (
            [] if self.broken else [_DECOMPRESSORS[name]() for name in reversed(names)]
        )
        self._outermost = names[-1] if self._chain else None
        self._left = LARGEST_DECODED
        self.is_full = False

    def feed(self, data: bytes) -> bytes:
        """Return what a piece decodes to; nothing once the stream is broken, or too much came out of it."""
        if self.broken or self.is_full:
            return b""
        if self._outermost is not None and data:
            if _is_plain(self._outermost, data[0]):
                self._chain = []
            self._outermost = None
        for decompressor in self._chain:
            data = self._through(decompressor, data)
        return data

    def _through(self, decompressor: _Decompressor, data: bytes) -> bytes:
        pieces = []
        try:
            for at in range(0, len(data), decompressor.step):
                piece = decompressor.feed(data[at : at + decompressor.step])
                pieces.append(piece)
                self._left -= len(piece)
                if self._left < 0:
                    self.is_full = True
                    break
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self.broken = True
        return b"".join(pieces)


def _is_plain(encoding: str, first: int) -> bool:
    if encoding in _FIRST_BYTES:
        return first not in _FIRST_BYTES[encoding]
    return first in _PLAIN_STARTS[encoding]


def decode(body: bytes, encoding: str | None) -> bytes:
    """Decode a whole body; what cannot be decoded is returned as it is."""
    if not encoding or not body:
        return body
    decoder = ContentDecoder(encoding)
    decoded = decoder.feed(body)
    return body if decoder.broken and not decoded else decoded


_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda body: brotli.compress(body, quality=_BROTLI_QUALITY),
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}


def encode(body: bytes, encoding: str) -> bytes | None:
    """Encode a body; None where the encoding is not one that is known."""
    compress = _COMPRESS.get(encoding.strip().lower())
    return compress(body) if compress else None
