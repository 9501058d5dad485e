"""Ids of tool calls, which the client sends back: made to fit, and carrying what the provider wants back with them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

_FITS = re.compile(r"[a-zA-Z0-9_-]+")
_SHORT = re.compile(r"[a-zA-Z0-9]{9}")
_LONGEST = 40
"""Characters that OpenAI allows; Bedrock allows 64, Anthropic any number."""
_MARK = "__sig_"


def sealed(identifier: str, signature: str | None) -> str:
    """Return an id that carries a signature with it through a client that knows of none."""
    if signature is None:
        return identifier
    written = urlsafe_b64encode(signature.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    return f"{identifier}{_MARK}{written}"


def unsealed(identifier: str) -> tuple[str, str | None]:
    """Return the id that a provider gave, and the signature that it came with."""
    bare, mark, written = identifier.partition(_MARK)
    if not mark or not bare:
        return identifier, None
    try:
        padded = written + "=" * (-len(written) % 4)
        return bare, urlsafe_b64decode(padded).decode("utf-8", "surrogatepass")
    except ValueError:
        return identifier, None


def fitting(identifier: str) -> str:
    """Return an id as every provider takes it; the same for the same, so that call and result stay a pair."""
    if len(identifier) <= _LONGEST and _FITS.fullmatch(identifier):
        return identifier
    return f"call_{_digest(identifier)}"


def short(identifier: str) -> str:
    """Return an id as Mistral takes it: nine letters and digits, as its own are."""
    return identifier if _SHORT.fullmatch(identifier) else _digest(identifier)[:9]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
