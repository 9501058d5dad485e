"""Cut a request body at its messages, so that each distinct piece of a growing conversation is stored once.

`"".join` over all parts of a split gives the text back, byte for byte: cutting never rewrites.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from llmitm.calls import Json

# The C scanner behind `raw_decode`; the stubs do not know it.
_scan: Callable[[str, int], tuple[Json, int]] = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]
_WHITE = re.compile(r"[ \t\r\n]*")

TURNS = ("messages", "input", "contents")
"""Arrays that grow from call to call."""
_ARRAYS = frozenset({*TURNS, "tools", "system"})
_PROMPTS = frozenset({"prompt", "input"})


@dataclass(slots=True)
class Piece:
    """A run of parts that is stored as one chain: a whole array's elements, or a single part between arrays."""

    parts: list[str]
    key: str | None = None
    """The key of the array, None for what stands between."""


@dataclass(slots=True)
class Split:
    """A text in pieces."""

    pieces: list[Piece] = field(default_factory=list)
    turns: int | None = None
    """The piece with the conversation's turns."""
    prompt: int | None = None
    """The piece whose last part is what was asked last."""


def split(text: str) -> Split:
    """Cut a JSON object at the elements of its arrays of messages, tools and the like; anything else is one part."""
    try:
        return _Cutter(text).cut()
    except (ValueError, StopIteration, IndexError, RecursionError):
        return Split([Piece([text])])


class _Cutter:
    """Walk over the top level of an object. The C scanner skips what is not cut, and tells where it ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._split = Split()
        self._kept = 0  # everything before is in a piece

    def cut(self) -> Split:
        text = self._text
        position = self._skip(0)
        if text[position] != "{":
            raise ValueError(position)
        position = self._skip(position + 1)
        while text[position] != "}":
            key, position = _scan(text, position)
            position = self._expect(":", position)
            position = self._value(key, position) if isinstance(key, str) else -1
            position = self._skip(position)
            if text[position] == ",":
                position = self._skip(position + 1)
            elif text[position] != "}":
                raise ValueError(position)
        if self._kept < len(text):
            self._split.pieces.append(Piece([text[self._kept :]]))
        return self._split

    def _value(self, key: str, start: int) -> int:
        text = self._text
        if key in _ARRAYS and text[start] == "[":
            return self._array(key, start)
        end = _scan(text, start)[1]
        if key in _PROMPTS and text[start] == '"' and self._split.prompt is None:
            self._take_before(start)
            self._split.prompt = len(self._split.pieces)
            self._split.pieces.append(Piece([text[start:end]], key))
            self._kept = end
        return int(end)

    def _array(self, key: str, start: int) -> int:
        text = self._text
        position = self._skip(start + 1)
        parts: list[str] = []
        cut_from = position
        while text[position] != "]":
            end = _scan(text, position)[1]
            parts.append(text[cut_from:end])
            cut_from = end
            position = self._skip(end)
            if text[position] == ",":
                position = self._skip(position + 1)
            elif text[position] != "]":
                raise ValueError(position)
        if parts:
            self._take_before(self._skip(start + 1))
            if key in TURNS:
                self._split.turns = self._split.prompt = len(self._split.pieces)
            self._split.pieces.append(Piece(parts, key))
            self._kept = cut_from
        return position + 1

    def _take_before(self, position: int) -> None:
        if self._kept < position:
            self._split.pieces.append(Piece([self._text[self._kept : position]]))
            self._kept = position

    def _expect(self, mark: str, position: int) -> int:
        position = self._skip(position)
        if self._text[position] != mark:
            raise ValueError(position)
        return self._skip(position + 1)

    def _skip(self, position: int) -> int:
        match = _WHITE.match(self._text, position)
        assert match is not None  # the pattern matches nothing too
        return match.end()


def split_answer(text: str, said: str | None) -> tuple[list[Piece], int | None]:
    """Cut a response at the text that was said, where it stands in it as one JSON string.

    Returns the pieces, and which of them is the text.
    """
    if said:
        for ascii_only in (False, True):
            literal = json.dumps(said, ensure_ascii=ascii_only)
            before, found, after = text.partition(literal)
            if found:
                pieces = [Piece([before]), Piece([literal]), Piece([after])]
                kept = [piece for piece in pieces if piece.parts[0]]
                return kept, kept.index(pieces[1])
    return [Piece([text])], None
