"""In which line of a TOML text a key stands: tomllib tells what a text says, but not where.

Only for texts that tomllib has read, so nothing is checked again here.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Sequence

type Keys = Sequence[str | int]
"""The way to a value: names of keys, and numbers, from 0, of entries in a list."""
type _Place = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}'''
    r"""|'''.*?'{3,5}"""
    r'''|"(?:\\.|[^"\\])*"'''
    r"""|'[^']*'""",
    re.S,
)
_PLAIN = re.compile(r"[^,\]}#\n]+")


class Positions:
    """The lines of one text, counted from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._last: dict[_Place, int] = {}
        """The number of the last entry of each array of tables: headers speak of that one."""
        self._lines: dict[_Place, int] = {}
        table: _Place = ()
        while self._next() != "":
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)

    def line(self, keys: Keys) -> int:
        """Return the line of a value, or of the nearest table around it that is written down."""
        place = tuple(keys)
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def _next(self) -> str:
        """Return the next character that means something, "" at the end."""
        found = _BLANK.match(self._text, self._at)
        assert found
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        self._next()
        found = pattern.match(self._text, self._at)
        assert found
        self._at = found.end()
        return found[0]

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _keys(self) -> list[str]:
        """Read a key with its dots; the text goes on after it."""
        keys: list[str] = []
        while not keys or self._next() == ".":
            self._at += bool(keys)
            word = self._take(_KEY)
            quoted = word[0] in "\"'"
            keys.append(tomllib.loads(f"word = {word}")["word"] if quoted else word)
        return keys

    def _header(self) -> _Place:
        """Read the header of a table, or of an entry of an array of tables; return its place."""
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        keys = self._keys()
        self._next()
        self._at += brackets
        place: _Place = ()
        for number, key in enumerate(keys, 1):
            place = (*place, key)
            self._lines.setdefault(place, line)
            if brackets == 2 and number == len(keys):
                self._last[place] = self._last.get(place, -1) + 1
            if place in self._last:
                place = (*place, self._last[place])
                self._lines.setdefault(place, line)
        return place

    def _pair(self, table: _Place) -> None:
        self._next()
        line = self._line()
        place = table
        for key in self._keys():
            place = (*place, key)
            self._lines.setdefault(place, line)
        self._next()
        self._at += len("=")
        self._value(place)

    def _value(self, place: _Place) -> None:
        first = self._next()
        if first == "[":
            self._at += 1
            number = 0
            while self._next() != "]":
                self._lines[*place, number] = self._line()
                self._value((*place, number))
                self._comma()
                number += 1
            self._at += 1
        elif first == "{":
            self._at += 1
            while self._next() != "}":
                self._pair(place)
                self._comma()
            self._at += 1
        else:
            self._take(_STRING if first in "\"'" else _PLAIN)

    def _comma(self) -> None:
        if self._next() == ",":
            self._at += 1
