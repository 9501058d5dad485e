"""JSON as providers and clients really send it: parsed fast, and with what the strict parser refuses."""

from __future__ import annotations

import json

from pydantic_core import from_json

from llmitm.calls import Json


def parse(text: bytes | str) -> Json:
    """Parse one JSON value; leading and trailing white space is allowed (OpenRouter sends it to keep alive).

    Raises `ValueError` where it is not JSON.
    """
    try:
        return from_json(text)
    except ValueError:
        # Lone surrogates and a byte order mark, which the standard library lets through.
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig", "surrogatepass")
        return json.loads(text, strict=False)


def parse_or_none(text: bytes | str) -> Json:
    """Parse one JSON value, or return None where it is not JSON."""
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return None


def parse_start(text: bytes) -> Json:
    """Parse the start of a JSON value as far as it goes; None where it is not JSON from the beginning."""
    try:
        return from_json(text, allow_partial=True)
    except ValueError:
        return None


def compact(value: Json) -> str:
    """Write a JSON value without white space, characters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
