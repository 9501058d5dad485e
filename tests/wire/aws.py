"""Messages of AWS event streams, made as AWS makes them."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Mapping
from zlib import crc32

from llmitm.calls import Json


def message(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """Return one message; all its headers are text."""
    return framed(b"".join(text_header(name, value) for name, value in headers.items()), payload)


def framed(headers: bytes, payload: bytes) -> bytes:
    """Return one message out of headers as they are on the wire."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return start + struct.pack(">I", crc32(start))


def text_header(name: str, value: str) -> bytes:
    """Return one header of the type text."""
    sizes = len(name.encode()), len(value.encode())
    return (
        struct.pack(">B", sizes[0])
        + name.encode()
        + struct.pack(">BH", 7, sizes[1])
        + value.encode()
    )


def event(name: str, payload: Json) -> bytes:
    """Return an event as Bedrock sends it; a `chunk` wraps the model's own event."""
    if name == "chunk":
        payload = {"bytes": b64encode(json.dumps(payload).encode()).decode(), "p": "abcdefgh"}
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return message(headers, json.dumps(payload).encode())


def exception(name: str, payload: Json) -> bytes:
    """Return an exception in the middle of a stream."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps(payload).encode())
