"""The length of a WebM or Matroska file: its `Duration` where it has one, else where its last block begins.

Browsers record without knowing the end, and then leave the duration out and the sizes of clusters open.
https://www.rfc-editor.org/rfc/rfc9559 (read 2026-11-26)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

_START = b"\x1a\x45\xdf\xa3"
_SEGMENT = 0x18538067
_INFO = 0x1549A966
_SCALE = 0x2AD7B1
_DURATION = 0x4489
_CLUSTER = 0x1F43B675
_TIMESTAMP = 0xE7
_SIMPLE_BLOCK = 0xA3
_BLOCK_GROUP = 0xA0
_BLOCK = 0xA1
_OPENED = frozenset({_SEGMENT, _INFO, _CLUSTER, _BLOCK_GROUP})
"""Elements whose content is elements that are looked at; the others are stepped over."""
_NANOSECONDS = 1_000_000_000
_DEFAULT_SCALE = 1_000_000
_MOST_ELEMENTS = 300_000


class _Element(NamedTuple):
    id: int
    start: int
    """Of its content."""
    end: int


def is_webm(content: bytes) -> bool:
    """Return whether a file begins as Matroska does."""
    return content.startswith(_START)


def seconds(content: bytes) -> float | None:
    """Return the length of a file; None where it has neither a duration nor a block."""
    scale, duration, cluster, last = _DEFAULT_SCALE, None, 0, None
    for element in _elements(content):
        value = content[element.start : element.end]
        if element.id == _SCALE:
            scale = int.from_bytes(value) or _DEFAULT_SCALE
        elif element.id == _DURATION and len(value) in (4, 8):
            (duration,) = struct.unpack(">f" if len(value) == 4 else ">d", value)
        elif element.id == _TIMESTAMP:
            cluster = int.from_bytes(value)
        elif element.id in (_SIMPLE_BLOCK, _BLOCK):
            _, at = _size(content, element.start)  # the number of the track
            last = max(last or 0, cluster + int.from_bytes(content[at : at + 2], signed=True))
    length = duration or last
    return length * scale / _NANOSECONDS if length else None


def _elements(content: bytes) -> Iterator[_Element]:
    """Yield the elements that are not opened, in order, up to the end or to where it is no Matroska any more."""
    at = 0
    with suppress(IndexError, ValueError):
        for _ in range(_MOST_ELEMENTS):
            length = _length(content[at])
            name = int.from_bytes(content[at : at + length])
            size, start = _size(content, at + length)
            if name in _OPENED:
                at = start
                continue
            at = len(content) if size is None else start + size
            yield _Element(name, start, at)


def _length(first: int) -> int:
    """Return the bytes of a number that tells its own length by its leading zeros."""
    if not first:
        raise ValueError("no Matroska element")
    return 9 - first.bit_length()


def _size(content: bytes, at: int) -> tuple[int | None, int]:
    """Return a number without its length marker, and where it ends; None for a size that is left open."""
    length = _length(content[at])
    end = at + length
    all_ones = (1 << (7 * length)) - 1
    value = int.from_bytes(content[at:end]) & all_ones
    return (None if value == all_ones else value), end
