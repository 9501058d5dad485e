"""PNG pictures with a palette of 256 colours in place of millions: half the size, and no difference to be seen on a page.

https://www.w3.org/TR/png-3/ (read 2026-11-26)
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256
_COMMON = 192
"""Colours that stay as they are; the others are mixed out of the rest."""
_TRUECOLOUR, _WITH_ALPHA, _INDEXED = 2, 6, 3

type Colour = tuple[int, int, int]


def size(png: bytes) -> tuple[int, int]:
    """Return width and height in pixels. Raises `ValueError`."""
    if png[:8] != _SIGNATURE or png[12:16] != b"IHDR":
        raise ValueError("this is no PNG")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def reduced(png: bytes) -> bytes:
    """Return the picture with a palette. Raises `ValueError` for other than 8 bits a channel, not interlaced."""
    width, height = size(png)
    depth, kind, _, _, interlaced = png[24:29]
    if depth != 8 or kind not in (_TRUECOLOUR, _WITH_ALPHA) or interlaced:
        raise ValueError(f"depth {depth}, colour type {kind}, interlaced {interlaced}")
    wide = 3 if kind == _TRUECOLOUR else 4
    data = zlib.decompress(b"".join(body for name, body in _chunks(png) if name == b"IDAT"))
    rows = list(_rows(data, width * wide, wide))
    pixels = [list(zip(row[::wide], row[1::wide], row[2::wide], strict=True)) for row in rows]
    counted = Counter(pixel for row in pixels for pixel in row)
    colours = palette(counted)
    index = {colour: _nearest(colour, colours) for colour in counted}
    lines = b"".join(b"\0" + bytes([index[pixel] for pixel in row]) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, _INDEXED, 0, 0, 0)
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", bytes(part for colour in colours for part in colour)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def palette(counted: Counter[Colour]) -> list[Colour]:
    """Return at most 256 colours for those of a picture: the most common ones, and mixtures of the others."""
    ordered = sorted(counted, key=lambda colour: (-counted[colour], colour))
    if len(ordered) <= _COLOURS:
        return ordered
    boxes = [ordered[_COMMON:]]
    while len(boxes) < _COLOURS - _COMMON:  # median cut: what spans most is halved
        boxes.sort(key=_span)
        widest = boxes.pop()
        if _span(widest) == 0:
            boxes.append(widest)
            break
        channel = max(range(3), key=lambda number: _range(widest, number))
        widest.sort(key=lambda colour: colour[channel])
        boxes += [widest[: len(widest) // 2], widest[len(widest) // 2 :]]
    return [*ordered[:_COMMON], *(_mixed(box, counted) for box in boxes)]


def _range(box: Sequence[Colour], channel: int) -> int:
    values = [colour[channel] for colour in box]
    return max(values) - min(values)


def _span(box: Sequence[Colour]) -> int:
    return max(_range(box, channel) for channel in range(3))


def _mixed(box: Sequence[Colour], counted: Counter[Colour]) -> Colour:
    whole = sum(counted[colour] for colour in box)
    red, green, blue = (
        sum(colour[channel] * counted[colour] for colour in box) // whole for channel in range(3)
    )
    return red, green, blue


def _nearest(colour: Colour, colours: Sequence[Colour]) -> int:
    red, green, blue = colour
    return min(
        range(len(colours)),
        key=lambda number: (
            (colours[number][0] - red) ** 2
            + (colours[number][1] - green) ** 2
            + (colours[number][2] - blue) ** 2
        ),
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _rows(data: bytes, length: int, wide: int) -> Iterator[bytes]:
    """Yield the rows of a picture without their filters; a pixel is some bytes wide."""
    above = bytearray(length)
    for start in range(0, len(data), length + 1):
        row = bytearray(data[start + 1 : start + 1 + length])
        _unfilter(data[start], row, above, wide)
        yield bytes(row)
        above = row


def _unfilter(kind: int, row: bytearray, above: bytearray, wide: int) -> None:
    if kind == 0:
        return
    for number in range(len(row)):
        left = row[number - wide] if number >= wide else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above[number]
        elif kind == 3:
            guess = (left + above[number]) // 2
        elif kind == 4:
            guess = _paeth(left, above[number], above[number - wide] if number >= wide else 0)
        else:
            raise ValueError(f"a row has the filter {kind}: allowed are 0 to 4")
        row[number] = (row[number] + guess) & 255


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    near = (abs(guess - left), abs(guess - above), abs(guess - corner))
    return (left, above, corner)[near.index(min(near))]
