"""Text of others as HTML that does nothing: escaped, and without letters that cannot be seen or that turn the text around."""

from __future__ import annotations

import html
import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Controls, terminal escapes, marks of direction (https://trojansource.codes), and lone surrogates."""


def text(value: str) -> str:
    """Return text as HTML; a letter that cannot be seen is shown by its number."""
    return _UNSEEN.sub(_shown, html.escape(value.replace("\r\n", "\n"), quote=True))


def _shown(match: re.Match[str]) -> str:
    return f'<span class="unseen">U+{ord(match.group()):04X}</span>'
