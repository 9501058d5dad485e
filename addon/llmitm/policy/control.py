"""Control headers: which they are, and what of a request must not go upstream. See docs/headers.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

_PREFIXES = ("helicone-", "x-llmitm-")
_HELICONE_KEY = "sk-helicone-"
_SIGNED = re.compile(r"AWS4-[A-Z0-9-]+ .*\bSignedHeaders=([^,\s]+)")


def control_headers(names: Iterable[str]) -> list[str]:
    """Return the names that are ours to take off."""
    return [name for name in names if name.lower().startswith(_PREFIXES)]


def signed_headers(authorization: str) -> frozenset[str]:
    """Return the headers, in lower case, that AWS's signature covers: without one of them it is no longer valid.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html (read 2026-11-26)
    """
    match = _SIGNED.match(authorization)
    return frozenset(match[1].lower().split(";")) if match else frozenset()


def without_helicone_key(authorization: str) -> str | None:
    """Take a Helicone key out of a comma list in `Authorization`; None where nothing else is in it."""
    if _HELICONE_KEY not in authorization:
        return authorization
    scheme, space, keys = authorization.partition(" ")
    if not space:
        scheme, keys = "", authorization
    kept = [key.strip() for key in keys.split(",") if not _is_helicone_key(key)]
    return f"{scheme}{space}{', '.join(kept)}" if kept else None


def _is_helicone_key(key: str) -> bool:
    return key.strip().removeprefix("Bearer ").startswith(_HELICONE_KEY)


def request_id(value: str | None) -> str | None:
    """Return a `Helicone-Request-Id` in its usual form; None where it is missing or no UUID."""
    try:
        return str(UUID(value)) if value else None
    except ValueError:
        return None
