"""Calls as Parquet: flat columns, each value or none, compressed with zstd.

Written by hand because it takes a page, where the libraries take 40 MB. Each batch of calls is a row group, so memory is
bounded. https://parquet.apache.org/docs/file-format/ and
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (read 2026-11-26)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import zstandard

from llmitm import __version__
from llmitm.exports.thrift import (
    Struct,
    binary,
    binary_list,
    i32,
    i32_list,
    i64,
    struct_list,
    struct_of,
    varint,
)
from llmitm.store.reader import Record

_MAGIC = b"PAR1"
_CALLS_A_GROUP = 10_000
_INT64, _BYTES = 2, 6
_OPTIONAL, _ZSTD, _PLAIN, _RLE, _DATA_PAGE = 1, 6, 0, 3, 0
_UTF8 = 0
_WHOLE = (
    "key", "started_at", "streaming", "counted", "status", "basis", "batch_requests", "client_retry",
    "attempts", "fallback_index", "parent_key", "thread_key", "retry_of_key",
)  # fmt: skip
_WHOLE_ENDS = ("_tokens", "_nanousd", "_ms", "_bytes")


class _Column(NamedTuple):
    name: str
    is_whole: bool


def write(file: BinaryIO, calls: Iterable[Record]) -> None:
    """Write a file; counts and times are integers, all else is text, and JSON where it is a list or an object."""
    written = file.write(_MAGIC)
    columns: list[_Column] = []
    groups: list[bytes] = []
    whole = 0
    calls = iter(calls)
    while batch := list(islice(calls, _CALLS_A_GROUP)):
        columns = columns or [_Column(name, _is_whole(name)) for name in batch[0]]
        chunks: list[bytes] = []
        before = written
        for column in columns:
            data, chunk = _chunk(column, [call.get(column.name) for call in batch], written)
            written += file.write(data)
            chunks.append(chunk)
        groups.append(
            Struct()
            .add(1, struct_list(chunks))
            .add(2, i64(written - before))
            .add(3, i64(len(batch)))
            .done()
        )
        whole += len(batch)
    footer = (
        Struct()
        .add(1, i32(1))
        .add(2, struct_list(_schema(columns)))
        .add(3, i64(whole))
        .add(4, struct_list(groups))
        .add(6, binary(f"llmitm version {__version__}".encode()))
        .done()
    )
    file.write(footer + struct.pack("<I", len(footer)) + _MAGIC)


def _is_whole(name: str) -> bool:
    return name in _WHOLE or name.endswith(_WHOLE_ENDS)


def _schema(columns: Sequence[_Column]) -> list[bytes]:
    root = Struct().add(4, binary(b"calls")).add(5, i32(len(columns))).done()
    return [root, *map(_element, columns)]


def _element(column: _Column) -> bytes:
    element = Struct().add(1, i32(_INT64 if column.is_whole else _BYTES)).add(3, i32(_OPTIONAL))
    element.add(4, binary(column.name.encode()))
    if not column.is_whole:
        element.add(6, i32(_UTF8)).add(10, struct_of(Struct().add(1, struct_of(Struct()))))
    return element.done()


def _chunk(column: _Column, values: Sequence[Any], at: int) -> tuple[bytes, bytes]:
    """Return a column of a row group as its only page, and what the footer says of it."""
    known = [value for value in values if value is not None]
    levels = _levels([value is not None for value in values])
    if column.is_whole:
        plain = struct.pack(f"<{len(known)}q", *map(int, known))
    else:
        texts = [_text(value) for value in known]
        plain = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    raw = struct.pack("<I", len(levels)) + levels + plain
    packed = zstandard.compress(raw)
    page = Struct().add(1, i32(len(values))).add(2, i32(_PLAIN)).add(3, i32(_RLE)).add(4, i32(_RLE))
    header = (
        Struct()
        .add(1, i32(_DATA_PAGE))
        .add(2, i32(len(raw)))
        .add(3, i32(len(packed)))
        .add(5, struct_of(page))
        .done()
    )
    size = len(header) + len(packed)
    meta = (
        Struct()
        .add(1, i32(_INT64 if column.is_whole else _BYTES))
        .add(2, i32_list([_PLAIN, _RLE]))
        .add(3, binary_list([column.name.encode()]))
        .add(4, i32(_ZSTD))
        .add(5, i64(len(values)))
        .add(6, i64(len(header) + len(raw)))
        .add(7, i64(size))
        .add(9, i64(at))
    )
    return header + packed, Struct().add(2, i64(at)).add(3, struct_of(meta)).done()


def _levels(is_known: Sequence[bool]) -> bytes:
    """Return which values are there, as runs: the length of each doubled, then one byte for its value."""
    runs: list[list[int]] = []
    for known in is_known:
        if runs and runs[-1][1] == known:
            runs[-1][0] += 1
        else:
            runs.append([1, int(known)])
    return b"".join(varint(length << 1) + bytes([known]) for length, known in runs)


def _text(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")
