"""The one thing that every framing is cut into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Frame(NamedTuple):
    """One event of a stream: its payload, and its name where the framing has names."""

    data: bytes
    event: str | None = None


class FrameDecoder(Protocol):
    """Cut a byte stream into frames, whatever the pieces it arrives in."""

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Take a piece of the stream, return the frames that it completes."""

    def flush(self) -> Sequence[Frame]:
        """End the stream, return what was still open where it is worth having."""
