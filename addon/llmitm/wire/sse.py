"""Server-sent events, read by the rules of the HTML standard and not by what one provider happens to send.

Lines end in CR, LF or CRLF; the space after the colon is optional; fields come in any order; comments are
skipped; an event that the stream ends in is kept, because Google leaves out the last blank line.
https://html.spec.whatwg.org/multipage/server-sent-events.html (read 2026-11-24)
"""

from __future__ import annotations

from llmitm.wire.frames import Frame

_BOM = b"\xef\xbb\xbf"


class SseDecoder:
    """Cut a byte stream into events."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._event: str | None = None
        self._at_start = True

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the stream, return the events that it completes."""
        if self._rest and not self._at_start and not self._ends_line(data):
            self._rest.append(data)  # a long line is put together once, at its end
            return []
        text = b"".join(self._rest) + data
        if self._at_start and text:
            if _BOM.startswith(text) and len(text) < len(_BOM):
                self._rest = [text]
                return []
            text = text.removeprefix(_BOM)
            self._at_start = False
        if b"\r" in text:
            # A CR that ends the piece may be the first half of a CRLF.
            held = b"\r" if text.endswith(b"\r") else b""
            text = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        lines = text.split(b"\n")
        self._rest = [rest] if (rest := lines.pop()) else []
        return [event for line in lines if (event := self._line(line)) is not None]

    def flush(self) -> list[Frame]:
        """End the stream: return the event that was still open, if there is one."""
        rest, self._rest = b"".join(self._rest), []
        events = (
            [self._line(line) for line in rest.removesuffix(b"\r").split(b"\r")] if rest else []
        )
        events.append(self._dispatch())
        return [event for event in events if event is not None]

    def _ends_line(self, data: bytes) -> bool:
        return b"\n" in data or b"\r" in data or self._rest[-1].endswith(b"\r")

    def _line(self, line: bytes) -> Frame | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> Frame | None:
        event = Frame(b"\n".join(self._data), self._event) if self._data else None
        self._data, self._event = [], None
        return event
