"""Where one JSON document differs from another, as JSON paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from llmitm.calls import Json
from llmitm.wire import jsontext

_LONGEST_SHOWN = 60
_BEFORE = 20
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class _Nothing:
    pass


_NOTHING: Final = _Nothing()


class Difference(NamedTuple):
    """One place, and what stands there on both sides."""

    path: str
    left: Json
    right: Json

    def shown(self) -> tuple[str, str]:
        """Return both sides, short: of long texts what stands around the first character that differs."""
        left, right = _text(self.left), _text(self.right)
        start = next(
            (at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
            min(len(left), len(right)),
        )
        return _around(left, start), _around(right, start)


def differences(left: Json, right: Json, path: str = "$") -> Iterator[Difference]:
    """Yield every place at which two documents differ, in the order of the left one."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in (*left, *(key for key in right if key not in left)):
            inner = f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{key!r}]"
            yield from differences(left.get(key, _NOTHING), right.get(key, _NOTHING), inner)
    elif isinstance(left, list) and isinstance(right, list):
        for number in range(max(len(left), len(right))):
            yield from differences(_at(left, number), _at(right, number), f"{path}[{number}]")
    elif type(left) is not type(right) or left != right:
        yield Difference(path, left, right)


def _at(values: list[Json], number: int) -> Json:
    return values[number] if number < len(values) else _NOTHING


def _text(value: Json) -> str:
    return "nothing" if value is _NOTHING else jsontext.compact(value)


def _around(text: str, start: int) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return text
    first = max(0, min(start - _BEFORE, len(text) - _LONGEST_SHOWN))
    cut = text[first : first + _LONGEST_SHOWN]
    return ("…" if first else "") + cut + ("…" if first + len(cut) < len(text) else "")
