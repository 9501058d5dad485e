"""Text of others as HTML that does nothing: escaped, and with a mark for each sign that hides or turns something."""

from __future__ import annotations

import html

from llmitm.dashboard.visible import visible


def text(value: str) -> str:
    """Return text as HTML."""
    return html.escape(visible(value), quote=True)
