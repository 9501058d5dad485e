"""Patterns as rules and budgets have them: `gpt-*`, compared without case, one or several of which one has to match."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from llmitm.calls import Json


def _patterns(value: Json) -> tuple[str, ...]:
    """Read one pattern or several."""
    found = (value,) if isinstance(value, str) else value
    if isinstance(found, tuple | list) and found and all(isinstance(e, str) and e for e in found):
        return tuple(found)
    raise ValueError('a pattern such as "gpt-*", or a list of them')


def _without_case(value: Mapping[str, Patterns]) -> Mapping[str, Patterns]:
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("each property once; names are compared without case")
    return value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_patterns)]
ByProperty = Annotated[dict[str, Patterns], AfterValidator(_without_case)]


def matcher[T](patterns: tuple[str, ...], value: Callable[[T], str | None]) -> Callable[[T], bool]:
    """Return what tells whether a value is there and one of the patterns is all of it."""
    whole = re.compile("|".join(map(translate, patterns)), re.IGNORECASE)

    def matches(of: T) -> bool:
        found = value(of)
        return found is not None and whole.match(found) is not None

    return matches
