"""What a model or a prompt says, made harmless to look at: signs that nobody sees become marks that everybody sees."""

from __future__ import annotations

import re
import unicodedata

from llmitm.harmless import HIDDEN

_JOINERS = range(0x200C, 0x200E)
_KEPT = frozenset("\n\t")
_MARKED = re.compile(
    f"[{''.join(f'{chr(some.start)}-{chr(some.stop - 1)}' for some in (*HIDDEN, _JOINERS))}]"
)
_CONTROLS = [
    "NUL",
    "SOH",
    "STX",
    "ETX",
    "EOT",
    "ENQ",
    "ACK",
    "BEL",
    "BS",
    "TAB",
    "LF",
    "VT",
    "FF",
    "CR",
    "SO",
    "SI",
    "DLE",
    "DC1",
    "DC2",
    "DC3",
    "DC4",
    "NAK",
    "SYN",
    "ETB",
    "CAN",
    "EM",
    "SUB",
    "ESC",
    "FS",
    "GS",
    "RS",
    "US",
]
_NAMES = {
    **{chr(code): name for code, name in enumerate(_CONTROLS)},
    "\x7f": "DEL",
    "\u200b": "ZWSP",
    "\u200c": "ZWNJ",
    "\u200d": "ZWJ",
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\ufeff": "BOM",
    "\u00ad": "SHY",
}


def visible(text: str) -> str:
    """Return a text with each sign that hides, turns or controls something as a mark, such as `⟨ESC⟩` or `⟨RLO⟩`."""
    if not _MARKED.search(text):
        return text
    return _MARKED.sub(_mark, text.replace("\r\n", "\n"))


def _mark(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in _KEPT or (sign == "\u200d" and _joins(match)):
        return sign
    return f"⟨{_NAMES.get(sign, f'U+{ord(sign):04X}')}⟩"


def _joins(match: re.Match[str]) -> bool:
    """Whether a joiner stands between two pictures that it makes one, as in 👩‍💻."""
    text, at = match.string, match.start()
    before, after = text[max(at - 1, 0) : at], text[at + 1 : at + 2]
    kinds = ("So", "Sk", "Mn")
    return all(sign and unicodedata.category(sign) in kinds for sign in (before, after))
