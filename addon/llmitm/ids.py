"""ULIDs: ids that sort by the time of the call. https://github.com/ulid/spec (read 2026-11-24)"""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def new_id(at: float) -> str:
    """Return a ULID for a time in seconds since the epoch."""
    return _ulid(at, secrets.randbits(80))


def id_of(at: float, name: str) -> str:
    """Return the ULID for a time and a name, which is the same each time."""
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=10).digest()
    return _ulid(at, int.from_bytes(digest))


def _ulid(at: float, rest: int) -> str:
    number = int(at * 1000) << 80 | rest
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
