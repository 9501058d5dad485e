"""Streams of `choices` put together: chat completions and the older text completions.

The document is what the unstreamed call would have given. Deltas are told apart by the shape of their values and
not by a list of names, so that what a host adds (reasoning, citations, filters) is kept.
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import count, filled, items, mapping
from llmitm.wire.jsontext import compact

_PADDING = frozenset({"obfuscation", "p", "padding"})
"""Filler against traffic analysis."""
_GROWING = frozenset({"content", "reasoning", "reasoning_content", "thinking", "refusal"})
"""Strings of a delta that are pieces of a longer one; others are values of their own."""
_OBJECTS = {"chat.completion.chunk": "chat.completion"}


class ChoicesAssembler(Assembler):
    """Collect chunks, whatever their order, into one document."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one chunk; return whether it carried content."""
        if not isinstance(payload, dict):
            return False
        if event == "error" and "error" not in payload:
            payload = {"error": payload}
        document = self._document
        content = False
        for key, value in payload.items():
            if key == "choices":
                for choice in items(value):
                    content |= isinstance(choice, dict) and self._add_choice(choice)
            elif value is None or key in _PADDING:
                continue
            elif key == "x_groq" and isinstance(value, dict):
                document[key] = {**mapping(document.get(key)), **value}
            elif value or key not in document:
                # Azure's first chunk has an empty model and id; later ones do not take the name away again.
                document[key] = value
        return content

    def _add_choice(self, choice: dict[str, Json]) -> bool:
        index = count(choice.get("index")) or 0
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice(index)
        return known.add(choice)

    def document(self) -> Json:
        """Return the document as far as it came."""
        if not self._document and not self._choices:
            return None
        document = dict(self._document)
        kind = document.get("object")
        if isinstance(kind, str):
            document["object"] = _OBJECTS.get(kind, kind)
        if self._choices or "error" not in document:
            document["choices"] = [self._choices[n].whole() for n in sorted(self._choices)]
        return document


class _Choice:
    """One choice of a response."""

    def __init__(self, index: int) -> None:
        self._fields: dict[str, Json] = {"index": index}
        self._text: list[str] = []
        self._message: _Message | None = None
        self._logprobs: dict[str, list[Json]] = {}

    def add(self, choice: dict[str, Json]) -> bool:
        content = False
        for key, value in choice.items():
            if key == "delta":
                if isinstance(value, dict):
                    if self._message is None:
                        self._message = _Message()
                    content |= self._message.add(value)
            elif value is None or key == "index":
                continue
            elif key == "text" and isinstance(value, str):
                self._text.append(value)
                content |= bool(value)
            elif key == "logprobs" and isinstance(value, dict):
                for name, entries in value.items():
                    self._logprobs.setdefault(name, []).extend(items(entries))
            elif value != "" or key not in self._fields:
                self._fields[key] = value
        return content

    def whole(self) -> dict[str, Json]:
        """Return the choice in its unstreamed form."""
        choice = {"finish_reason": None, **self._fields}
        if self._message is not None:
            # Perplexity repeats the message so far beside each delta; the deltas are what was streamed.
            choice["message"] = {**mapping(choice.get("message")), **self._message.whole()}
        if self._text:
            choice["text"] = "".join(self._text)
        if self._logprobs:
            choice["logprobs"] = self._logprobs
        return choice


class _Message:
    """The message of one choice."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._growing: dict[str, list[Json]] = {}
        self._tool_calls: _ToolCalls | None = None

    def add(self, delta: dict[str, Json]) -> bool:
        content = False
        for key, value in delta.items():
            if value is None or key in _PADDING:
                continue
            if key in _GROWING:
                # A list at Mistral: parts of text and thinking.
                pieces = value if isinstance(value, list) else [value]
                self._growing.setdefault(key, []).extend(pieces)
                content |= bool(value)
            elif key == "tool_calls":
                if self._tool_calls is None:
                    self._tool_calls = _ToolCalls()
                content |= self._tool_calls.add(items(value))
            elif isinstance(value, dict):
                self._fields[key] = _joined(mapping(self._fields.get(key)), value)
                content |= key in ("audio", "function_call")
            elif isinstance(value, list):
                self._fields[key] = [*items(self._fields.get(key)), *value]
                content |= key == "reasoning_details" and bool(value)
            elif value != "" or key not in self._fields:
                self._fields[key] = value
        return content

    def whole(self) -> dict[str, Json]:
        message: dict[str, Json] = {"role": "assistant", "content": None, **self._fields}
        for key, pieces in self._growing.items():
            message[key] = _content(pieces)
        if isinstance(details := message.get("reasoning_details"), list):
            message["reasoning_details"] = _parts(details)
        if self._tool_calls is not None:
            message["tool_calls"] = self._tool_calls.whole()
        return message


class _ToolCalls:
    """The tool calls of one message, whose arguments come in pieces or whole."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Json]] = []
        self._by_index: dict[int, dict[str, Json]] = {}

    def add(self, calls: list[Json]) -> bool:
        content = False
        for call in calls:
            if isinstance(call, dict):
                self._extend(self._call(call), call)
                content = True
        return content

    def _call(self, piece: dict[str, Json]) -> dict[str, Json]:
        """Return the call that a piece belongs to: by its index, else by its id, else the last one."""
        index, identifier = count(piece.get("index")), filled(piece.get("id"))
        body = mapping(piece.get("function")) or mapping(piece.get("custom"))
        known = self._latest(identifier) if index is None else self._by_index.get(index)
        if known is None or _begins(known, index, identifier, filled(body.get("name"))):
            known = {}
            self._calls.append(known)
        if index is not None:
            self._by_index[index] = known
        return known

    def _latest(self, identifier: str | None) -> dict[str, Json] | None:
        same = (call for call in self._calls if identifier and call.get("id") == identifier)
        return next(same, self._calls[-1] if self._calls else None)

    @staticmethod
    def _extend(call: dict[str, Json], piece: dict[str, Json]) -> None:
        for key, value in piece.items():
            if value is None or key == "index":
                continue
            if key in ("function", "custom") and isinstance(value, dict):
                known = call.setdefault(key, {})
                for name, part in value.items():
                    if name in ("arguments", "input"):
                        text = part if isinstance(part, str) else compact(part) if part else ""
                        known.setdefault(name, []).append(text)
                    elif part:
                        known[name] = part
            elif value != "" or key not in call:
                call[key] = value

    def whole(self) -> list[dict[str, Json]]:
        """Return the calls, each with its arguments as one text."""
        return [
            {
                key: {
                    name: "".join(part) if isinstance(part, list) else part
                    for name, part in value.items()
                }
                if key in ("function", "custom") and isinstance(value, dict)
                else value
                for key, value in call.items()
            }
            for call in self._calls
        ]


def _begins(
    known: dict[str, Json], index: int | None, identifier: str | None, name: str | None
) -> bool:
    """Return whether a piece begins another call. Some hosts give every call the index 0, or none."""
    if name is None:
        return False
    if identifier is not None:
        return bool(known.get("id") != identifier)
    body = mapping(known.get("function")) or mapping(known.get("custom"))
    return index is None or body.get("name") != name


def _joined(known: dict[str, Json], more: dict[str, Json]) -> dict[str, Json]:
    """Return an object that grows (`audio`, `function_call`) with one more piece of it."""
    whole = dict(known)
    for key, value in more.items():
        earlier = whole.get(key)
        if key in ("data", "transcript", "arguments") and isinstance(value, str) and earlier:
            whole[key] = f"{earlier}{value}"
        elif value is not None:
            whole[key] = value
    return whole


def _content(pieces: list[Json]) -> Json:
    """Return content as one text, or as the list of parts that it is."""
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    if len(pieces) == 1:
        return pieces[0] if isinstance(pieces[0], dict) and "type" not in pieces[0] else pieces
    return _parts([{"type": "text", "text": p} if isinstance(p, str) else p for p in pieces if p])


def _parts(parts: list[Json]) -> list[Json]:
    """Return parts with those that continue one another joined."""
    joined: list[Json] = []
    for part in parts:
        last = joined[-1] if joined else None
        if (
            isinstance(part, dict)
            and isinstance(last, dict)
            and part.get("type") == last.get("type")
            and part.get("index") == last.get("index")
        ):
            for key, value in part.items():
                earlier = last.get(key)
                if isinstance(earlier, str) and isinstance(value, str) and key not in _VALUES:
                    last[key] = earlier + value
                elif isinstance(earlier, list) and isinstance(value, list):
                    last[key] = _parts([*earlier, *value])
                elif value is not None:
                    last[key] = value
        else:
            joined.append(dict(part) if isinstance(part, dict) else part)
    return joined


_VALUES = frozenset({"type", "id", "format", "signature"})
"""Strings of a part that are not pieces of a longer one."""
