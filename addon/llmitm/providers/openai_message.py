"""A chat message that comes in pieces, put together.

Deltas are told apart by the shape of their values more than by their names, so that what a host adds is kept. Strings
are joined once, at the end: audio comes in a thousand pieces.
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.fields import items
from llmitm.providers.openai_tool_calls import GrowingToolCalls

PADDING = frozenset({"obfuscation", "p", "padding"})
"""Filler against traffic analysis."""
_GROWING = frozenset({"content", "reasoning", "reasoning_content", "thinking", "refusal"})
"""Strings of a delta that are pieces of a longer one; others are values of their own."""
_GROWING_INSIDE = frozenset({"data", "transcript", "arguments"})
"""The same in the objects `audio` and `function_call`."""
_VALUES = frozenset({"type", "id", "format", "signature"})
"""Strings of a part that are not pieces of a longer one."""


class GrowingMessage:
    """The message of one choice."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._growing: dict[str, list[Json]] = {}
        self._objects: dict[str, _GrowingObject] = {}
        self._lists: dict[str, list[Json]] = {}
        self._tool_calls: GrowingToolCalls | None = None

    def add(self, delta: dict[str, Json]) -> bool:
        """Take one delta; return whether it carried content."""
        content = False
        for key, value in delta.items():
            if value is None or key in PADDING:
                continue
            if key in _GROWING:
                # A list at Mistral: parts of text and thinking.
                pieces = value if isinstance(value, list) else [value]
                self._growing.setdefault(key, []).extend(pieces)
                content |= bool(value)
            elif isinstance(value, str):
                if value or key not in self._fields:
                    self._fields[key] = value
            else:
                content |= self._add_structure(key, value)
        return content

    def _add_structure(self, key: str, value: Json) -> bool:
        if key == "tool_calls":
            if self._tool_calls is None:
                self._tool_calls = GrowingToolCalls()
            return self._tool_calls.add(items(value))
        if isinstance(value, dict):
            self._objects.setdefault(key, _GrowingObject()).add(value)
            return key in ("audio", "function_call")
        if isinstance(value, list):
            self._lists.setdefault(key, []).extend(value)
            return key == "reasoning_details" and bool(value)
        self._fields[key] = value
        return False

    def whole(self) -> dict[str, Json]:
        """Return the message in its unstreamed form."""
        message: dict[str, Json] = {"role": "assistant", "content": None, **self._fields}
        for key, pieces in self._growing.items():
            message[key] = _content(pieces)
        for key, growing in self._objects.items():
            message[key] = growing.whole()
        for key, parts in self._lists.items():
            message[key] = _parts(parts) if key == "reasoning_details" else list(parts)
        if self._tool_calls is not None:
            message["tool_calls"] = self._tool_calls.whole()
        return message


class _GrowingObject:
    """An object whose strings grow: `audio`, `function_call`."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, piece: dict[str, Json]) -> None:
        for key, value in piece.items():
            if key in _GROWING_INSIDE and isinstance(value, str):
                self._pieces.setdefault(key, []).append(value)
            elif value is not None:
                self._fields[key] = value

    def whole(self) -> dict[str, Json]:
        return {**self._fields, **{key: "".join(pieces) for key, pieces in self._pieces.items()}}


def _content(pieces: list[Json]) -> Json:
    """Return content as one text, or as the list of parts that it is."""
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    if len(pieces) == 1 and isinstance(pieces[0], dict) and "type" not in pieces[0]:
        return pieces[0]  # Cloudflare: an object in place of text
    return _parts([{"type": "text", "text": p} if isinstance(p, str) else p for p in pieces if p])


def _parts(parts: list[Json]) -> list[Json]:
    """Return parts with those that continue one another joined."""
    joined: list[Json] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, dict) and isinstance(last, dict) and _continues(last, part):
            _extend(last, part)
        else:
            joined.append(dict(part) if isinstance(part, dict) else part)
    return joined


def _continues(last: dict[str, Json], part: dict[str, Json]) -> bool:
    return all(part.get(key) == last.get(key) for key in ("type", "index"))


def _extend(last: dict[str, Json], part: dict[str, Json]) -> None:
    for key, value in part.items():
        earlier = last.get(key)
        if isinstance(earlier, str) and isinstance(value, str) and key not in _VALUES:
            last[key] = earlier + value
        elif isinstance(earlier, list) and isinstance(value, list):
            last[key] = _parts([*earlier, *value])
        elif value is not None:
            last[key] = value
