"""Cut a body into the parts that it has in common with others, so that each is stored once.

Chat clients and coding agents send the whole history again in every call. `join` gives the text back, character for
character: cutting never rewrites.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring, encode_basestring_ascii

from llmitm.calls import Json

_scan = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]
_WHITE = re.compile(r"[ \t\r\n]*")

TURNS = ("messages", "input", "contents")
"""Arrays that grow from call to call."""
_ARRAYS = frozenset({*TURNS, "tools", "system", "parts"})
_PROMPTS = frozenset({*TURNS, "prompt"})
_INSIDE = frozenset({"request", "systemInstruction", "system_instruction"})
"""Objects that are cut too: Gemini's system prompt, and the envelope that Google's own coding tools use."""
_SYSTEM = ("system", "developer")
_SETTINGS = ("additional_tools", "configuration_update")
_LONG = 256
"""Characters from which any other value is a part of its own: instructions, schemas, metadata."""

_MOST_MARKS = 100
"""Anthropic takes four. Thousands would take a reader of the log minutes to put back, one by one."""
_MARK = re.compile(r',[ \t\r\n]*"cache_control"[ \t\r\n]*:[ \t\r\n]*\{[^{}]*\}')


@dataclass(slots=True)
class Piece:
    """A run of parts that is stored as one chain: the elements of an array, or one part alone."""

    parts: list[str]
    key: str | None = None
    """The key of the value, None for what stands between."""


@dataclass(slots=True)
class Split:
    """A text in pieces."""

    pieces: list[Piece] = field(default_factory=list)
    turns: int | None = None
    """The piece with the conversation's turns."""
    prompt: int | None = None
    """The piece with what was asked."""
    asked: int = -1
    """Which of its parts was asked last."""
    marks: Sequence[tuple[int, str]] = ()
    """What was lifted out of the text, with its position in it, in order.

    Anthropic's clients set their cache marks on the newest message of each call. Left in place, they would make a
    message differ from itself one call later.
    """


def split(text: str) -> Split:
    """Cut a JSON object at the elements of its messages, tools and the like; anything else is one part."""
    marks: list[tuple[int, str]] = []
    whole = text
    if '"cache_control"' in text:
        marks = [(mark.start(), mark.group()) for mark in _MARK.finditer(text)]
        if len(marks) <= _MOST_MARKS:
            whole = _MARK.sub("", text)
        else:
            marks = []
    try:
        cut = _Cutter(whole).cut()
    except (ValueError, StopIteration, IndexError, RecursionError):
        return Split([Piece([text])])
    cut.marks = marks
    return cut


def join(cut: Split) -> str:
    """Return the text that was cut."""
    text = "".join(part for piece in cut.pieces for part in piece.parts)
    for position, mark in cut.marks:
        text = text[:position] + mark + text[position:]
    return text


def split_answer(text: str, said: str | None) -> tuple[str, str, str] | None:
    """Cut a response at the text that was said: what is before, the JSON string, what is after.

    None where it does not stand there as one string.
    """
    if not said:
        return None
    plain = encode_basestring(said)
    before, found, after = text.partition(plain)
    if found:
        return before, plain, after
    # As Python writes it by default, and as Go does, which escapes what HTML could misread.
    for_html = plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    for literal in (encode_basestring_ascii(said), for_html):
        before, found, after = text.partition(literal)
        if found:
            return before, literal, after
    return None


class _Cutter:
    """Walk over the top level of an object. The C scanner skips what is not cut, and tells where it ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._split = Split()
        self._kept = 0  # everything before is in a piece

    def cut(self) -> Split:
        self._object(self._skip(0))
        if self._kept < len(self._text):
            self._split.pieces.append(Piece([self._text[self._kept :]]))
        return self._split

    def _object(self, start: int) -> int:
        """Cut the object that begins at `start`, return where it ends."""
        text = self._text
        if text[start] != "{":
            raise ValueError(start)
        position = self._skip(start + 1)
        while text[position] != "}":
            key, position = _scan(text, position)
            position = self._expect(":", position)
            if not isinstance(key, str):
                raise ValueError(position)
            position = self._skip(self._value(key, position))
            if text[position] == ",":
                position = self._skip(position + 1)
            elif text[position] != "}":
                raise ValueError(position)
        return position + 1

    def _value(self, key: str, start: int) -> int:
        text = self._text
        if key in _INSIDE and text[start] == "{":
            return self._object(start)
        if key in _ARRAYS and text[start] == "[":
            end = self._array(key, start)
            if end is not None:
                return end
        end = int(_scan(text, start)[1])
        if end - start >= _LONG or key in _PROMPTS:
            self._take(key, start, end, [text[start:end]])
        return end

    def _array(self, key: str, start: int) -> int | None:
        """Cut an array of objects and return where it ends; None where it is another.

        Texts or tokens to embed are thousands of small things that no other call has in this order.
        """
        text = self._text
        position = first = self._skip(start + 1)
        parts: list[str] = []
        asked = -1
        cut_from = position
        while text[position] == "{":
            element, end = _scan(text, position)
            if _is_asked(element):
                asked = len(parts)
            parts.append(text[cut_from:end])
            cut_from = end
            position = self._skip(end)
            if text[position] == "]":
                self._take(key, first, cut_from, parts, asked)
                return position + 1
            if text[position] != ",":
                raise ValueError(position)
            position = self._skip(position + 1)
        return None

    def _take(self, key: str, start: int, end: int, parts: list[str], asked: int = -1) -> None:
        """Make a value a piece of its own, after what stands before it."""
        pieces = self._split.pieces
        if self._kept < start:
            pieces.append(Piece([self._text[self._kept : start]]))
        if key in _PROMPTS:
            self._split.prompt = len(pieces)
            self._split.asked = asked
            if key in TURNS and self._text[start] == "{":
                self._split.turns = len(pieces)
        pieces.append(Piece(parts, key))
        self._kept = end

    def _expect(self, mark: str, position: int) -> int:
        position = self._skip(position)
        if self._text[position] != mark:
            raise ValueError(position)
        return self._skip(position + 1)

    def _skip(self, position: int) -> int:
        if self._text[position] > " ":
            return position
        match = _WHITE.match(self._text, position)
        assert match is not None  # the pattern matches nothing too
        return match.end()


def _is_asked(element: dict[str, Json]) -> bool:
    """Whether an element of the turns was said to the model, by a person, a tool or itself.

    Claude Code puts a message of the system after the user's, Codex an item with its settings.
    """
    return element.get("role") not in _SYSTEM and element.get("type") not in _SETTINGS
