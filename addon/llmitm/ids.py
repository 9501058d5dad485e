"""ULIDs: ids that sort by the time of the call. https://github.com/ulid/spec (read 2026-11-24)"""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def new_id(at: float) -> str:
    """Return a ULID for a time in seconds since the epoch."""
    number = int(at * 1000) << 80 | secrets.randbits(80)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
