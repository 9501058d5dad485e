"""Streams of JSON values that are not server-sent events: one value a line, or one array sent bit by bit."""

from __future__ import annotations

import re

from llmitm.wire.frames import Frame

_SPECIAL = re.compile(rb'["\\{}\[\]]')


class LineDecoder:
    """Cut newline-delimited JSON (NDJSON) into lines; empty lines are skipped."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece, return the lines that it completes."""
        self._rest.append(data)
        if b"\n" not in data:
            return []
        lines = b"".join(self._rest).split(b"\n")
        self._rest = [lines.pop()]
        return [Frame(line) for line in map(bytes.strip, lines) if line]

    def flush(self) -> list[Frame]:
        """End the stream: return the last line where it had no newline."""
        rest, self._rest = b"".join(self._rest).strip(), []
        return [Frame(rest)] if rest else []


class ArrayDecoder:
    """Cut a JSON array of objects, as Gemini streams without `alt=sse`, into the texts of its elements."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._start = -1
        self._base = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece, return the elements that it completes."""
        self._buffer += data
        elements: list[Frame] = []
        position = self._scanned
        while match := _SPECIAL.search(self._buffer, position):
            position = match.end()
            mark = match.group()
            if mark == b"\\":
                if not self._in_string:
                    continue
                if position == len(self._buffer):
                    position -= 1  # the escaped character is still to come
                    break
                position += 1
            elif mark == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._bracket(mark, position, elements)
        self._scanned = position if match else max(position, len(self._buffer))
        self._drop_seen()
        return elements

    def flush(self) -> list[Frame]:
        """End the stream: an element that was cut off is not JSON and is left out."""
        return []

    def _bracket(self, mark: bytes, end: int, elements: list[Frame]) -> None:
        # Depth 1 is the outer array, depth 2 an element; an object without an array around it is one element.
        if mark in b"{[":
            if mark == b"{" and self._start < 0:
                self._start = end - 1
                self._base = self._depth
            self._depth += 1
        else:
            self._depth -= 1
            if self._start >= 0 and self._depth == self._base:
                elements.append(Frame(bytes(self._buffer[self._start : end])))
                self._start = -1

    def _drop_seen(self) -> None:
        cut = self._start if self._start >= 0 else self._scanned
        del self._buffer[:cut]
        self._scanned -= cut
        if self._start >= 0:
            self._start = 0
