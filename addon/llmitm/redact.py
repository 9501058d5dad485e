"""Keep credentials off the disk: the call's own, and whatever has the shape of a key, in bodies and paths.

Replacements are plain words, so that JSON stays JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

REDACTED = "[redacted]"
_SHORTEST_SECRET = 6

_SHAPES: dict[str, str] = {
    "sk-": r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}",
    "AIza": r"AIza[A-Za-z0-9_-]{30,}",
    "gsk_": r"gsk_[A-Za-z0-9]{20,}",
    "xai-": r"xai-[A-Za-z0-9]{20,}",
    "hf_": r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,}",
    "r8_": r"(?<![A-Za-z0-9])r8_[A-Za-z0-9]{20,}",
    "pplx-": r"pplx-[A-Za-z0-9]{20,}",
    "nvapi-": r"nvapi-[A-Za-z0-9_-]{20,}",
    "csk-": r"(?<![A-Za-z0-9])csk-[A-Za-z0-9]{20,}",
    "tgp_v1_": r"tgp_v1_[A-Za-z0-9_-]{20,}",
    "AKIA": r"(?<![A-Za-z0-9])AKIA[0-9A-Z]{16}",
    "ASIA": r"(?<![A-Za-z0-9])ASIA[0-9A-Z]{16}",
    "gh": r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,}",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{30,}",
    "ya29.": r"ya29\.[A-Za-z0-9_-]{20,}",
    "xox": r"xox[abprs]-[A-Za-z0-9-]{20,}",
    "eyJ": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "Bearer ": r"(?<=Bearer )[A-Za-z0-9._~+/-]{20,}=*",
    "PRIVATE KEY": r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
}
"""Keys by what they start with: the start is looked for first, since a search for all shapes at once is slow."""

_PATTERNS = tuple((start, re.compile(shape, re.DOTALL)) for start, shape in _SHAPES.items())
_SECRET_PARAMETER = re.compile(
    r"([?&](?:key|api[_-]?key|access_token|token|sig|signature|secret|code|password|x-amz-(?:signature|credential|security-token))=)[^&#]*",
    re.IGNORECASE,
)


class Redactor:
    """Strike secrets out of text. `patterns` are the user's own regular expressions."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._own = [re.compile(pattern) for pattern in patterns]

    def text(self, text: str, credentials: Sequence[str] = ()) -> str:
        """Return a body or message without its secrets."""
        for secret in credentials:
            if len(secret) >= _SHORTEST_SECRET and secret in text:
                text = text.replace(secret, REDACTED)
        for start, pattern in _PATTERNS:
            if start in text:
                text = pattern.sub(REDACTED, text)
        for pattern in self._own:
            text = pattern.sub(REDACTED, text)
        return text

    def path(self, path: str) -> str:
        """Return a path without the secrets of its query."""
        if "?" not in path:
            return path
        return self.text(_SECRET_PARAMETER.sub(rf"\1{REDACTED}", path))
