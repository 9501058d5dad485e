"""Recordings, made byte by byte after the formats' own specifications: of any length, with nothing in them."""

from __future__ import annotations

import struct
import wave
from io import BytesIO

RATE = 8_000


def wav(seconds: float, *, unknown_size: bool = False) -> bytes:
    """Return 8 kHz, 16 bit, mono; `unknown_size` as a program writes it that cannot seek back."""
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(bytes(2 * round(seconds * RATE)))
    content = file.getvalue()
    if not unknown_size:
        return content
    largest = b"\xff\xff\xff\xff"
    at = content.index(b"data") + 4
    return content[:4] + largest + content[8:at] + largest + content[at + 4 :]


def mp3(frames: int) -> bytes:
    """Return MPEG-1 layer III at 128 kbit/s and 44.1 kHz: 1,152 samples, 417 bytes a frame."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def flac(seconds: int) -> bytes:
    """Return the head of a FLAC file, which has the number of samples."""
    rate, channels, bits = 16_000, 1, 16
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | rate * seconds
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8) + bytes(16)
    return b"fLaC" + b"\x80" + len(info).to_bytes(3) + info


def _page(kind: int, granule: int, number: int, packet: bytes) -> bytes:
    lacing = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, granule, 7, number, 0, len(lacing))
    return head + lacing + packet


def opus(seconds: int) -> bytes:
    """Return Ogg with Opus: granules are samples at 48 kHz."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I4sI", 4, b"test", 0)
    return _page(2, 0, 0, head) + _page(0, 0, 1, tags) + _page(4, 48_000 * seconds, 2, bytes(100))


def mp4(seconds: int) -> bytes:
    """Return MP4 with a header that has the duration."""

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + name + content

    header = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1_000, 1_000 * seconds) + bytes(80))
    return box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"moov", header) + box(b"mdat", bytes(64))


def _element(name: int, content: bytes) -> bytes:
    size = (0x0800_0000_0000_0000 >> 3 | len(content)).to_bytes(8)
    return name.to_bytes((name.bit_length() + 7) // 8) + size + content


def webm(seconds: float, *, live: bool = False) -> bytes:
    """Return WebM with its duration; `live` as a browser records it: without, and with sizes left open."""
    head = _element(0x1A45DFA3, _element(0x4282, b"webm"))
    scale = _element(0x2AD7B1, (1_000_000).to_bytes(4))
    if not live:
        info = scale + _element(0x4489, struct.pack(">d", 1_000 * seconds))
        return head + _element(0x18538067, _element(0x1549A966, info))
    is_open = b"\x01\xff\xff\xff\xff\xff\xff\xff"
    block = _element(0xA3, b"\x81" + struct.pack(">hB", 500, 0x80) + bytes(20))
    start = _element(0xE7, round(1_000 * seconds - 500).to_bytes(4))
    segment = (0x18538067).to_bytes(4) + is_open + _element(0x1549A966, scale)
    return head + segment + (0x1F43B675).to_bytes(4) + is_open + start + block
