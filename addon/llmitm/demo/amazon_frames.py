"""The frames of Amazon's event streams, as the local provider writes them.

Format: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from zlib import crc32

from llmitm.calls import Json

_TEXT = 7
"""The type of a header's value; no other is needed."""


def event_frame(name: str, payload: Json) -> bytes:
    """Return an event."""
    return _frame({":event-type": name, ":message-type": "event"}, payload)


def exception_frame(name: str, payload: Json) -> bytes:
    """Return the exception that ends a stream."""
    return _frame({":exception-type": name, ":message-type": "exception"}, payload)


def _frame(names: Mapping[str, str], payload: Json) -> bytes:
    headers = b"".join(map(_header, *zip(*names.items(), strict=True)))
    headers += _header(":content-type", "application/json")
    body = json.dumps(payload, ensure_ascii=False).encode()
    lengths = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    start = lengths + struct.pack(">I", crc32(lengths)) + headers + body
    return start + struct.pack(">I", crc32(start))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(f">B{len(key)}sBH{len(text)}s", len(key), key, _TEXT, len(text), text)
