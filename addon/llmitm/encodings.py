"""The token encodings that tiktoken knows, as files: their names in its cache and what must be in them."""

from __future__ import annotations

import hashlib

_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"

SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "p50k_base": "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
}
"""https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py (read 2026-11-24)"""


def cache_name(encoding: str) -> str:
    """Return the name under which tiktoken looks for an encoding's file."""
    address = _ADDRESS.format(encoding)
    return hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
