"""Thrift's compact protocol, as much of it as Parquet's headers need.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_LONGEST_SHORT_LIST = 14

type Value = tuple[int, bytes]
"""A type by its number, and the bytes of a value of it."""


class Struct:
    """A struct, field after field in the order of their numbers."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._last = 0

    def add(self, number: int, value: Value) -> Struct:
        """Add a field; its number is at most 15 above the one before."""
        kind, data = value
        self._bytes.append((number - self._last) << 4 | kind)
        self._bytes += data
        self._last = number
        return self

    def done(self) -> bytes:
        """Return it with its end."""
        return bytes(self._bytes) + b"\0"


def varint(number: int) -> bytes:
    """Return a whole number of 0 or more, seven bits a byte."""
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


def i32(number: int) -> Value:
    """Return an integer of 32 bits."""
    return _I32, _zigzag(number)


def i64(number: int) -> Value:
    """Return an integer of 64 bits."""
    return _I64, _zigzag(number)


def binary(data: bytes) -> Value:
    """Return bytes, or text in UTF-8."""
    return _BINARY, varint(len(data)) + data


def struct_of(struct: Struct) -> Value:
    """Return a struct as a value."""
    return _STRUCT, struct.done()


def struct_list(structs: Iterable[bytes]) -> Value:
    """Return a list of structs, each with its end."""
    return _list(_STRUCT, list(structs))


def binary_list(items: Iterable[bytes]) -> Value:
    """Return a list of bytes."""
    return _list(_BINARY, [binary(item)[1] for item in items])


def i32_list(numbers: Iterable[int]) -> Value:
    """Return a list of integers."""
    return _list(_I32, [_zigzag(number) for number in numbers])


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _list(kind: int, items: Sequence[bytes]) -> Value:
    size = len(items)
    head = (
        bytes([size << 4 | kind])
        if size <= _LONGEST_SHORT_LIST
        else bytes([0xF0 | kind]) + varint(size)
    )
    return _LIST, head + b"".join(items)
