"""Streams of JSON values that are not server-sent events: one value a line, or one array sent bit by bit."""

from __future__ import annotations

import re

from llmitm.wire.frames import Frame

_DEEPEST = 1_000
"""Brackets inside each other that are followed; no parser of ours reads as many."""
_SPECIAL = re.compile(rb'["\\{}\[\]]')


TOO_LONG = "too long"
"""The name of a frame that stands for a line of which nothing was kept."""


class LineDecoder:
    """Cut newline-delimited JSON (NDJSON) into lines; empty lines are skipped.

    Of a line with more than `longest` bytes nothing is kept but that it was there.
    """

    def __init__(self, longest: int | None = None) -> None:
        self._longest = longest
        # Joined once, when the line ends: a line may come in very many pieces.
        self._rest: list[bytes] = []
        self._size = 0
        self._is_too_long = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece, return the lines that it completes."""
        first, *lines = data.split(b"\n")
        self._keep(first)
        if not lines:
            return []
        frames = self._end()
        *whole, last = lines
        frames += [Frame(line) for line in map(bytes.strip, whole) if line]
        self._keep(last)
        return frames

    def flush(self) -> list[Frame]:
        """End the stream: return the last line where it had no newline."""
        return self._end()

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._longest is not None and self._size > self._longest:
            self._rest, self._is_too_long = [], True
        elif piece:
            self._rest.append(piece)

    def _end(self) -> list[Frame]:
        line, is_too_long = b"".join(self._rest).strip(), self._is_too_long
        self._rest, self._size, self._is_too_long = [], 0, False
        if is_too_long:
            return [Frame(b"", TOO_LONG)]
        return [Frame(line)] if line else []


class ArrayDecoder:
    """Cut a JSON array of objects, as Gemini streams without `alt=sse`, into the texts of its elements."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._start = -1
        self._base = 0
        self._depth = 0
        self._in_string = False
        self._is_lost = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece, return the elements that it completes."""
        if self._is_lost:
            return []
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
                if self._depth > _DEEPEST:
                    self._is_lost = True
                    self._buffer.clear()
                    return elements
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
