"""AWS event streams, the binary framing of Bedrock's streams: messages with headers, a payload and two checksums.

A message is its length, the length of its headers and the CRC-32 of both (the prelude); headers; payload; the
CRC-32 of all before. A message whose own checksum is wrong is left out. After a prelude that is wrong nobody can
know where the next message begins, so nothing more is read.
https://smithy.io/2.0/aws/amazon-eventstream.html (read 2026-11-26)
"""

from __future__ import annotations

import struct
from zlib import crc32

from llmitm.wire import jsontext
from llmitm.wire.frames import Frame

_PRELUDE = struct.Struct(">III")
_LENGTH = struct.Struct(">H")
_CRC = struct.Struct(">I")
_SMALLEST = _PRELUDE.size + _CRC.size
_LONGEST_HEADERS = 128 * 1024
_LONGEST_PAYLOAD = 24 * 1024 * 1024
_LONGEST = _SMALLEST + _LONGEST_HEADERS + _LONGEST_PAYLOAD
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of header values by type: booleans (in the type itself), integers, a time, a UUID."""
_BYTES, _STRING = 6, 7


class EventStreamDecoder:
    """Cut a byte stream into messages; exceptions and errors become frames of the event `error`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE.size
        self._is_lost = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the stream, return the messages that it completes."""
        if self._is_lost:
            return []
        self._buffer += data
        frames = []
        while len(self._buffer) >= self._wanted:
            length, headers_length, checksum = _PRELUDE.unpack_from(self._buffer)
            if not (
                _SMALLEST + headers_length <= length <= _LONGEST
                and headers_length <= _LONGEST_HEADERS
                and checksum == crc32(self._buffer[: _PRELUDE.size - _CRC.size])
            ):
                self._is_lost = True
                self._buffer.clear()
                break
            if len(self._buffer) < length:
                self._wanted = length
                break
            message = bytes(self._buffer[:length])
            del self._buffer[:length]
            self._wanted = _PRELUDE.size
            if (frame := _frame(message, headers_length)) is not None:
                frames.append(frame)
        return frames

    def flush(self) -> list[Frame]:
        """End the stream: a message that was cut off cannot be checked and is left out."""
        self._buffer.clear()
        return []


def _frame(message: bytes, headers_length: int) -> Frame | None:
    (checksum,) = _CRC.unpack_from(message, len(message) - _CRC.size)
    if checksum != crc32(message[: -_CRC.size]):
        return None
    start = _PRELUDE.size + headers_length
    headers = _headers(message[_PRELUDE.size : start])
    payload = message[start : -_CRC.size]
    match headers.get(":message-type"):
        case "exception":
            return _error(headers.get(":exception-type"), payload)
        case "error":
            return _error(
                headers.get(":error-code"),
                headers.get(":error-message", "").encode("utf-8", "surrogatepass"),
            )
        case _:
            return Frame(payload, headers.get(":event-type"))


def _error(kind: str | None, payload: bytes) -> Frame:
    """Return an error as JSON, with the name that is only in the headers."""
    body = jsontext.parse_or_none(payload)
    if not isinstance(body, dict):
        body = {"message": payload.decode("utf-8", "replace")}
    return Frame(jsontext.compact({**body, "type": kind}).encode("utf-8", "surrogatepass"), "error")


def _headers(data: bytes) -> dict[str, str]:
    """Return the headers that are text, as far as they can be read."""
    headers = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")
            at += 1 + data[at]
            kind = data[at]
            at += 1
            size = _FIXED_SIZES.get(kind)
            if size is None:
                if kind not in (_BYTES, _STRING):
                    break
                (size,) = _LENGTH.unpack_from(data, at)
                at += _LENGTH.size
            if kind == _STRING:
                headers[name] = data[at : at + size].decode("utf-8", "replace")
            at += size
    except (IndexError, struct.error):
        pass  # they end in the middle of one
    return headers
