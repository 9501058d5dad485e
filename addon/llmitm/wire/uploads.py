"""What is kept of a request body that passes in pieces: of a form its fields and the start of each file, else its start.

Fields may come after the file that they are about (`model` after `file`), so a form is kept part by part.
"""

from __future__ import annotations

from llmitm.wire import multipart

_FIELD = 66 * 1024
"""Bytes of a part that are always kept: a field of the length that a form is read with, and its head."""


class Kept:
    """The kept part of one body, and where there are gaps in it."""

    def __init__(self, most: int, content_type: str = "") -> None:
        """Keep `most` bytes; more of a form, as far as its fields need them."""
        boundary = multipart.boundary(content_type)
        self._delimiter = b"\r\n--" + boundary if boundary else None
        self._room = most
        self._part_room = max(most, _FIELD) if boundary else most
        self._rest = b""  # the end of the last piece, in which a delimiter may have begun
        self._pieces: list[bytes] = []
        self._length = 0
        self.gaps: list[tuple[int, int]] = []
        """Position in what is kept, and bytes that are missing there."""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        if self._delimiter is None:
            self._keep(data, 0, len(data))
            return
        text = self._rest + data
        start = 0
        while (found := text.find(self._delimiter, start)) >= 0:
            self._keep(text, start, found)
            self._part_room = max(self._room, _FIELD)
            start = found + len(self._delimiter)
            self._keep(text, found, start)
        edge = max(start, len(text) - len(self._delimiter) + 1)
        self._keep(text, start, edge)
        self._rest = text[edge:]

    def body(self) -> bytes:
        """Return what is kept of the pieces until now."""
        rest, self._rest = self._rest, b""
        self._keep(rest, 0, len(rest))
        whole = b"".join(self._pieces)
        self._pieces = [whole]
        return whole

    def _keep(self, data: bytes, start: int, end: int) -> None:
        size = min(end - start, self._part_room)
        if size > 0:
            self._pieces.append(data[start : start + size])
            self._length += size
            self._room -= size
            self._part_room -= size
        if (missing := end - start - max(size, 0)) > 0:
            if self.gaps and self.gaps[-1][0] == self._length:
                missing += self.gaps.pop()[1]
            self.gaps.append((self._length, missing))
