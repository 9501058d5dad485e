"""Tool calls of a chat message that come in pieces or whole, with and without index, id and name."""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.fields import count, filled, mapping
from llmitm.wire.jsontext import compact

_BODIES = ("function", "custom")
_ARGUMENTS = ("arguments", "input")


class GrowingToolCalls:
    """The tool calls of one message."""

    def __init__(self) -> None:
        self._calls: list[_GrowingCall] = []
        self._by_index: dict[int, _GrowingCall] = {}

    def add(self, pieces: list[Json]) -> bool:
        """Take pieces of calls; return whether there was one."""
        found = False
        for piece in pieces:
            if isinstance(piece, dict):
                self._call(piece).add(piece)
                found = True
        return found

    def whole(self) -> list[Json]:
        """Return the calls, each with its arguments as one text."""
        return [call.whole() for call in self._calls]

    def _call(self, piece: dict[str, Json]) -> _GrowingCall:
        """Return the call that a piece belongs to: by its index, else by its id, else the last one."""
        index, identifier = count(piece.get("index")), filled(piece.get("id"))
        known = self._latest(identifier) if index is None else self._by_index.get(index)
        if known is None or known.is_followed_by(piece, index, identifier):
            known = _GrowingCall()
            self._calls.append(known)
        if index is not None:
            self._by_index[index] = known
        return known

    def _latest(self, identifier: str | None) -> _GrowingCall | None:
        same = (call for call in self._calls if identifier and call.id == identifier)
        return next(same, self._calls[-1] if self._calls else None)


class _GrowingCall:
    """One tool call."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._body: dict[str, Json] = {}
        self._body_key = "function"
        self._arguments: list[str] = []
        self._arguments_key = "arguments"

    @property
    def id(self) -> Json:
        return self._fields.get("id")

    def is_followed_by(
        self, piece: dict[str, Json], index: int | None, identifier: str | None
    ) -> bool:
        """Return whether a piece begins another call. Some hosts give every call the index 0, or none."""
        body = mapping(piece.get("function")) or mapping(piece.get("custom"))
        name = filled(body.get("name"))
        if name is None:
            return False
        if identifier is not None:
            return bool(self.id != identifier)
        return index is None or self._body.get("name") != name

    def add(self, piece: dict[str, Json]) -> None:
        for key, value in piece.items():
            if value is None or key == "index":
                continue
            if key in _BODIES and isinstance(value, dict):
                self._body_key = key
                self._add_body(value)
            elif value != "" or key not in self._fields:
                self._fields[key] = value

    def _add_body(self, body: dict[str, Json]) -> None:
        for key, value in body.items():
            if key in _ARGUMENTS:
                self._arguments_key = key
                if value:
                    self._arguments.append(value if isinstance(value, str) else compact(value))
            elif value or key not in self._body:
                self._body[key] = value

    def whole(self) -> Json:
        body = {**self._body, self._arguments_key: "".join(self._arguments)}
        return {**self._fields, self._body_key: body}
