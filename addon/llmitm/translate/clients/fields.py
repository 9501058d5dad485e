"""What the readers of requests have in common: fields of a body, each taken once, so that the rest can be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmitm.calls import Json
from llmitm.providers.fields import count, filled, items, mapping, number, text
from llmitm.translate.chat import Text, Turn
from llmitm.translate.sides import Notes, Untranslatable


class Body:
    """The body of a request."""

    def __init__(self, document: Json) -> None:
        if not isinstance(document, dict):
            raise Untranslatable("a body that is no JSON object")
        self._fields = dict(document)

    def take(self, name: str) -> Json:
        """Take a field; None where it is not there."""
        return self._fields.pop(name, None)

    def number(self, name: str) -> float | None:
        """Take a number."""
        return number(self.take(name))

    def count(self, *names: str) -> int | None:
        """Take the first count there is of several fields."""
        found = [count(self.take(name)) for name in names]
        return next((each for each in found if each is not None), None)

    def flag(self, name: str) -> bool | None:
        """Take a yes or no."""
        value = self.take(name)
        return value if isinstance(value, bool) else None

    def refuse(self, *names: str) -> None:
        """Refuse a request that has one of some fields."""
        for name in names:
            if self._fields.pop(name, None):
                raise Untranslatable(name)

    def note_rest(self, notes: Notes, harmless: Iterable[str] = ()) -> None:
        """Note every field that nobody took and that says something."""
        known = frozenset(harmless)
        for name, value in self._fields.items():
            if value not in (None, [], {}) and name not in known:
                notes.add(f"{name} has no counterpart")


def stops(value: Json) -> tuple[str, ...]:
    """Return stop sequences, one or many."""
    found = [value] if isinstance(value, str) else items(value)
    return tuple(each for each in found if isinstance(each, str) and each)


def listed(value: Json, what: str) -> list[dict[str, Json]]:
    """Return a list of objects. Raises `Untranslatable` where it is something else."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Untranslatable(f"{what} that is no list of objects")
    return value


def named(tool: dict[str, Json]) -> str:
    """Return a tool's name."""
    name = filled(tool.get("name"))
    if name is None:
        raise Untranslatable("a tool without a name")
    return name


def words(value: Json) -> str:
    """Return a text, or the texts of a list of parts together."""
    if isinstance(value, str):
        return value
    return "".join(text(mapping(part).get("text")) or "" for part in items(value))


def system_first(turns: Iterator[Turn]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """Return what the system says before the first turn, and the turns."""
    system: list[Text] = []
    rest: list[Turn] = []
    for turn in turns:
        if turn.role == "system" and not rest:
            system += [part for part in turn.parts if isinstance(part, Text) and part.text]
        else:
            rest.append(turn)
    return tuple(system), tuple(rest)
