"""JSON as providers and clients really send it: parsed fast, and with what the strict parser refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic_core import from_json

from llmitm.calls import Json

_DEEPEST = 200
"""Lists and objects inside each other that pydantic-core reads, and nobody sends. What is deeper would overflow
the stack of whoever walks over it.
"""

_BEGINS = '{["-0123456789tfnNI \t\r\n'
"""What a value, or the white space before it, begins with."""


class TooDeep(ValueError):
    """The value is nested more deeply than is read."""

    def __init__(self) -> None:
        super().__init__("too many lists and objects inside each other")


def parse(text: bytes | str) -> Json:
    """Parse one JSON value; leading and trailing white space is allowed (OpenRouter sends it to keep alive).

    Raises `ValueError` where it is not JSON, of it `TooDeep` where it is too much of it.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError) as error:  # the latter for a string that UTF-8 cannot hold
        if "recursion limit" in str(error):
            raise TooDeep from None
    # Lone surrogates and a byte order mark, which the standard library lets through.
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", "surrogatepass")
    if text[:1] not in _BEGINS:
        raise ValueError("not JSON")  # told at once: of hostile lines there are millions
    try:
        value = json.loads(text, strict=False)
    except RecursionError:
        raise TooDeep from None
    if _is_deep(value):
        raise TooDeep
    return value


def parse_or_none(text: bytes | str) -> Json:
    """Parse one JSON value, or return None where it is not JSON."""
    try:
        return parse(text)
    except ValueError:
        return None


def parse_start(text: bytes) -> Json:
    """Parse the start of a JSON value as far as it goes; None where it is not JSON from the beginning."""
    try:
        return from_json(text, allow_partial=True)
    except ValueError:
        return None


def is_too_deep(text: bytes | str) -> bool:
    """Return whether a text cannot be read because its values are too deep inside each other."""
    try:
        parse(text)
    except TooDeep:
        return True
    except ValueError:
        return False
    return False


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def compact(value: Json) -> str:
    """Write a JSON value without white space, characters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def dump(value: Json) -> bytes:
    """Write a JSON value as UTF-8; halves of a character, which that cannot hold, as escapes."""
    try:
        return compact(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
