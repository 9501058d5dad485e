"""The list of dialects: a new one is one module and one line in `_MODULES`.

A provider's entry names families; each family is tried in the order in which it stands here.
"""

from __future__ import annotations

from functools import cache

from llmitm.providers import openai_chat
from llmitm.providers.base import Dialect

_FAMILIES: dict[str, tuple[Dialect, ...]] = {
    "openai": (openai_chat.DIALECT,),
}


@cache
def dialects(families: tuple[str, ...]) -> tuple[Dialect, ...]:
    """Return the dialects of some families, in order. Raises `KeyError` with the name of an unknown one."""
    return tuple(dialect for family in families for dialect in _FAMILIES[family])


@cache
def by_name(name: str) -> Dialect:
    """Return a dialect by the name that an `Endpoint` gives."""
    return next(d for family in _FAMILIES.values() for d in family if d.name == name)


def families() -> tuple[str, ...]:
    """Return the names of all families, for error messages."""
    return tuple(_FAMILIES)
