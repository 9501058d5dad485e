"""ULIDs: ids that sort by the time of the call. https://github.com/ulid/spec (read 2026-11-24)"""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(at: float) -> str:
    """Return a ULID for a time in seconds since the epoch."""
    number = int(at * 1000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
