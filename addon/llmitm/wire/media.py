"""How long a recording plays, out of its bytes: what a provider charges where its answer does not say.

tinytag reads WAV, MP3, FLAC, Ogg (Vorbis, Opus), MP4 and M4A, and is imported when the first recording comes; WebM,
which browsers record, is read here. A file that says nothing, or nonsense, has no length.
"""

from __future__ import annotations

import logging
from io import BytesIO
from math import isfinite

from llmitm.wire import webm

_MOST_READS = 300_000
"""Pieces that may be read of a file: an hour of Ogg has 40,000, and junk behind a good start has no end."""
_RIFF = b"RIFF"


class _TooMuch(Exception):
    pass


class _Limited(BytesIO):
    """Bytes that can be read for so long and no longer."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._left = _MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise _TooMuch
        return super().read(size)


def seconds(content: bytes) -> float | None:
    """Return how long a recording or video plays; None where its bytes do not tell. Does not raise."""
    try:
        length = webm.seconds(content) if webm.is_webm(content) else _by_tinytag(content)
    except Exception as error:
        # Whatever a file makes of its reader is the file's fault.
        logging.getLogger("llmitm").debug("llmitm: the length of a recording: %r", error)
        return None
    return length if length and isfinite(length) and length > 0 else None


def _by_tinytag(content: bytes) -> float | None:
    from tinytag import TinyTag

    tag = TinyTag.get(file_obj=_Limited(content), tags=False)
    length = tag.duration
    if length and tag.bitrate and content.startswith(_RIFF):
        # What writes a WAV into a pipe cannot know its size, and puts the largest number there.
        return min(length, len(content) * 8 / (tag.bitrate * 1000))
    return length
