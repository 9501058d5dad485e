"""Keep credentials off the disk: the call's own, and whatever has the shape of a key, in bodies and paths.

Replacements are plain words, so that JSON stays JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

REDACTED = "[redacted]"
_SHORTEST_SECRET = 8
_PLACEHOLDERS = frozenset(
    {
        "anything",
        "lm-studio",
        "localhost",
        "not-needed",
        "no-key-required",
        "placeholder",
        "undefined",
    }
)
"""What people give as the key of a server that wants none: plain words, which a body may well have too."""

_SHAPES: dict[str, str] = {
    "sk-": r"(?<![A-Za-z0-9])c?sk-[A-Za-z0-9_-]{16,}",
    "AIza": r"(?<![A-Za-z0-9+])AIza[A-Za-z0-9_-]{30,}",
    "AQ.": r"(?<![A-Za-z0-9])AQ\.[A-Za-z0-9_-]{30,}",
    "gsk_": r"gsk_[A-Za-z0-9]{20,}",
    "xai-": r"xai-[A-Za-z0-9]{20,}",
    "hf_": r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,}",
    "fw_": r"(?<![A-Za-z0-9])fw_[A-Za-z0-9]{20,}",
    "r8_": r"(?<![A-Za-z0-9])r8_[A-Za-z0-9]{20,}",
    "vck_": r"(?<![A-Za-z0-9])vck_[A-Za-z0-9]{20,}",
    "pplx-": r"pplx-[A-Za-z0-9]{20,}",
    "nvapi-": r"nvapi-[A-Za-z0-9_-]{20,}",
    "tgp_v1_": r"tgp_v1_[A-Za-z0-9_-]{20,}",
    "dapi": r"(?<![A-Za-z0-9+/])dapi[0-9a-f]{32}",
    "AKIA": r"(?<![A-Za-z0-9+])AKIA[0-9A-Z]{16}",
    "ASIA": r"(?<![A-Za-z0-9+])ASIA[0-9A-Z]{16}",
    "ABSK": r"(?<![A-Za-z0-9+/])ABSK[A-Za-z0-9+/]{40,}=*",
    "ghp_": r"(?<![A-Za-z0-9])ghp_[A-Za-z0-9]{30,}",
    "gho_": r"(?<![A-Za-z0-9])gho_[A-Za-z0-9]{30,}",
    "ghu_": r"(?<![A-Za-z0-9])ghu_[A-Za-z0-9]{30,}",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{30,}",
    "ya29.": r"ya29\.[A-Za-z0-9_-]{20,}",
    # Each start is followed up to the next one only, or a million of them would take an hour.
    "eyJ": r"eyJ(?:(?!eyJ)[A-Za-z0-9_-]){10,}+\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "Bearer ": r"(?<=Bearer )[A-Za-z0-9._~+/-]{20,}=*",
    # Not beyond a string of JSON: a start without an end must not take the rest of the body with it.
    "PRIVATE KEY": r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^\"-]++|-(?!----(?:BEGIN|END) ))*+-----END [A-Z ]*PRIVATE KEY-----",
}
"""Keys by what they start with: the start is looked for first, since one search for all shapes takes
ten times as long. Each start costs 60 µs in a body of 100 kB, so keys of services that are no LLM's are not here.

Where a start is made of base64's letters alone, what stands before it tells it from the middle of a picture.
"""

_PATTERNS = tuple((start, re.compile(shape)) for start, shape in _SHAPES.items())
_UNCHANGED = re.compile(r"[A-Za-z0-9._~-]*")
"""What is written in JSON and in an address as it is."""
_SECRET_PARAMETER = re.compile(
    r"([?&](?:key|api[_-]?key|subscription-key|(?:access_|auth_|id_|refresh_)?token|sig|signature|(?:client_)?secret|code|password|upload_id|x-(?:amz|goog)-(?:signature|credential|security-token))=)[^&#]*",
    re.IGNORECASE,
)


class Redactor:
    """Strike secrets out of text. `patterns` are the user's own regular expressions."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._own = [re.compile(pattern) for pattern in patterns]

    def text(self, text: str, secrets: Sequence[str] = ()) -> str:
        """Return a body or message without secrets: what has the shape of one, and `secrets` as they stand."""
        for secret in secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        for start, pattern in _PATTERNS:
            if start in text:
                text = pattern.sub(REDACTED, text)
        for pattern in self._own:
            text = pattern.sub(REDACTED, text)
        return text

    def path(self, path: str, secrets: Sequence[str] = ()) -> str:
        """Return a path without the secrets of its query."""
        if "?" in path:
            path = _SECRET_PARAMETER.sub(rf"\1{REDACTED}", path)
        return self.text(path, secrets)


def spellings(credentials: Iterable[str]) -> Sequence[str]:
    """Return how the credentials of a call may be written in bodies and addresses, the longest first."""
    found = {spelling for secret in credentials for spelling in _spellings(secret)}
    return sorted(found, key=len, reverse=True)


def _spellings(secret: str) -> Sequence[str]:
    """Return how a secret may be written in JSON and in addresses; nothing where it is no secret."""
    if len(secret) < _SHORTEST_SECRET or secret in _PLACEHOLDERS:
        return ()
    if _UNCHANGED.fullmatch(secret):
        return (secret,)
    return (secret, secret.replace("/", "\\/"), quote(secret, safe=""))
