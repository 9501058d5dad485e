"""Text that others wrote, made harmless for a terminal: nothing in it moves the cursor, hides or turns around what is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain

_KEPT = frozenset("\n\t")


def _shown(code: int) -> str:
    """Return what stands for a character: a picture for the old controls, else its number."""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


HIDDEN: Sequence[range] = (
    range(0x20),
    range(0x7F, 0xA0),
    # Marks that turn the direction of text around: https://unicode.org/reports/tr9/ (read 2026-11-26).
    range(0x061C, 0x061D),
    range(0x200E, 0x2010),
    range(0x2028, 0x202F),
    range(0x2066, 0x206A),
    # What is not seen at all: soft hyphen, what has no width but joiners, byte order mark, tags, halves of pairs.
    range(0xAD, 0xAE),
    range(0x180E, 0x180F),
    range(0x200B, 0x200C),
    range(0x2060, 0x2066),
    range(0x206A, 0x2070),
    range(0xFEFF, 0xFF00),
    range(0xFFF9, 0xFFFC),
    range(0xD800, 0xE000),
    range(0xE0000, 0xE0080),
)
"""Signs that hide, turn around or control something."""
_CODES = tuple(chain(*HIDDEN))
_TEXT = {code: _shown(code) for code in _CODES if chr(code) not in _KEPT}
_LINE = {**_TEXT, ord("\n"): " ", ord("\t"): " "}
_JSON = {code: json.dumps(chr(code))[1:-1] for code in _CODES if code >= 0x7F}
_JSON[0x7F] = "\\u007f"


def text(written: str) -> str:
    """Return text with its lines and tabs, and nothing else that a terminal obeys."""
    return written.replace("\r\n", "\n").translate(_TEXT)


def line(written: str) -> str:
    """Return text in one line."""
    return written.replace("\r\n", "\n").translate(_LINE)


def in_json(document: str) -> str:
    """Return a JSON document that means the same and is harmless."""
    return document.translate(_JSON)
