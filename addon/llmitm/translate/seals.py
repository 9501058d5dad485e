"""What one provider wants back, in a field of another dialect that clients send back unread."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from llmitm.wire import jsontext

_MARK = "llmitm."


def seal(values: Mapping[str, str]) -> str:
    """Return values as one opaque text."""
    return _MARK + urlsafe_b64encode(jsontext.dump(values)).decode()


def unseal(text: str) -> dict[str, str] | None:
    """Return the values of an opaque text; None where it is not one of ours."""
    if not text.startswith(_MARK):
        return None
    try:
        values = jsontext.parse(urlsafe_b64decode(text.removeprefix(_MARK)))
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    return {key: value for key, value in values.items() if isinstance(value, str)}
