"""mitmproxy's headers, messages and options in fewer steps: what they are and say stays the same.

A call looks up some thirty headers, and mitmproxy makes the key of every field of a message by a call of its own each
time; for every request and response it checks its own types; it copies an option's value twice when it is asked for.
"""

from __future__ import annotations

import copy
from typing import Any, overload

from mitmproxy import http, optmanager

_CODEC = "utf-8", "surrogateescape"
"""Of names and values, as https://docs.mitmproxy.org/stable/api/mitmproxy/http.html#Headers has it (2026-11-26)."""

_NEVER_CHANGED = frozenset({str, int, bool, float, type(None)})


def _get_all(self: http.Headers, name: str | bytes) -> list[str]:
    wanted = (name if isinstance(name, bytes) else name.encode(*_CODEC)).lower()
    length = len(wanted)
    return [
        value.decode(*_CODEC)
        for key, value in self.fields
        if len(key) == length and key.lower() == wanted
    ]


def _getitem(self: http.Headers, name: str | bytes) -> str:
    if values := self.get_all(name):
        return ", ".join(values)
    raise KeyError(name)


@overload
def _get(self: http.Headers, name: str | bytes) -> str | None: ...
@overload
def _get[T](self: http.Headers, name: str | bytes, default: T) -> str | T: ...
def _get[T](self: http.Headers, name: str | bytes, default: T | None = None) -> str | T | None:
    values = self.get_all(name)
    return ", ".join(values) if values else default


def _contains(self: http.Headers, name: object) -> bool:
    return isinstance(name, str | bytes) and bool(self.get_all(name))


def trim_headers() -> None:
    """Have headers looked up faster; again is as good as once."""
    for name, ours in {
        "get_all": _get_all,
        "__getitem__": _getitem,
        "get": _get,
        "__contains__": _contains,
    }.items():
        setattr(http.Headers, name, ours)


def _current(self: optmanager._Option) -> Any:
    value = self._default if self.value is optmanager.unset else self.value
    return value if type(value) in _NEVER_CHANGED else copy.deepcopy(value)


def trim_options() -> None:
    """Have options read without copies of what cannot change; again is as good as once."""
    optmanager._Option.current = _current  # type: ignore[method-assign]


def trim_checks() -> None:
    """Leave out what `python -O` would: in a proxy of our own nobody else makes messages."""
    http.MessageData.__post_init__ = _unchecked  # type: ignore[method-assign]


def _unchecked(self: http.MessageData) -> None:
    pass
