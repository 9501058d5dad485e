"""Protocol buffers, as much of them as OTLP's messages need.

https://protobuf.dev/programming-guides/encoding/ and
https://github.com/open-telemetry/opentelemetry-proto (1.8; read 2026-11-26)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from llmitm.exports.thrift import varint

_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_NEGATIVE = 1 << 64

type Attribute = str | bool | int | float | Sequence[str]


def integer(field: int, value: int) -> bytes:
    """Return an integer, an enum or a flag; a negative one takes its ten bytes."""
    return varint(field << 3 | _VARINT) + varint(value if value >= 0 else value + _NEGATIVE)


def fixed(field: int, value: int) -> bytes:
    """Return a fixed64: times in nanoseconds, counts."""
    return varint(field << 3 | _FIXED64) + struct.pack("<Q", value)


def double(field: int, value: float) -> bytes:
    """Return a double."""
    return varint(field << 3 | _FIXED64) + struct.pack("<d", value)


def blob(field: int, data: bytes) -> bytes:
    """Return bytes, or a message inside another."""
    return varint(field << 3 | _LENGTH) + varint(len(data)) + data


def text(field: int, value: str) -> bytes:
    """Return a string, which must be UTF-8."""
    return blob(field, value.encode("utf-8", "backslashreplace"))


def packed_fixed(field: int, values: Iterable[int]) -> bytes:
    """Return a list of fixed64."""
    return blob(field, b"".join(struct.pack("<Q", value) for value in values))


def packed_double(field: int, values: Iterable[float]) -> bytes:
    """Return a list of doubles."""
    return blob(field, b"".join(struct.pack("<d", value) for value in values))


def attributes(field: int, values: Mapping[str, Attribute | None]) -> bytes:
    """Return attributes, without those that are not known."""
    return b"".join(
        blob(field, text(1, name) + blob(2, _any(value)))
        for name, value in values.items()
        if value is not None
    )


def _any(value: Attribute) -> bytes:
    if isinstance(value, str):
        return text(1, value)
    if isinstance(value, bool):
        return integer(2, int(value))
    if isinstance(value, int):
        return integer(3, value)
    if isinstance(value, float):
        return double(4, value)
    return blob(5, b"".join(blob(1, _any(each)) for each in value))
