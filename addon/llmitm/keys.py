"""API keys of providers: the app's own, else those of the settings, else those of the usual variables.

A key is never sent to a provider whose it is not, as far as its beginning tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmitm.providers.hosts import ProviderEntry, known_providers

_SHORTEST = 16
_HELICONE = re.compile(r"[sp]k-(?:[a-z]{2}-)?helicone-")
_OPENAI_MARK = "T3BlbkFJ"
"""Stands in every key of OpenAI's."""
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key of the settings comes from: it stands there, or a variable has it."""

    value: str | None = field(default=None, repr=False)
    env: str | None = None

    def read(self, environ: Mapping[str, str]) -> str | None:
        """Return the key."""
        return self.value or (environ.get(self.env, "").strip() if self.env else None) or None


class Keys:
    """Choose keys."""

    def __init__(self, own: Mapping[str, KeySource], environ: Mapping[str, str]) -> None:
        self._own = own
        self._environ = environ
        self._shipped = frozenset(entry.name for entry in known_providers())
        self._starts = {
            start: entry.name for entry in known_providers() for start in entry.key_starts
        }

    def configured(self, entry: ProviderEntry) -> str | None:
        """Return the key of the settings, or of the environment."""
        source = self._own.get(entry.name)
        if source is not None and (given := source.read(self._environ)) is not None:
            return given
        found = (self._environ.get(name, "").strip() for name in variables(entry))
        return next((key for key in found if key), None)

    def choose(self, entry: ProviderEntry, sent: Sequence[str]) -> str | None:
        """Return the key for a call, `sent` being what the app gave; None where there is none."""
        real = [key for key in sent if not is_placeholder(key)]
        for key in real:
            if self._owner(key)[0] == entry.name:
                return key
        if (configured := self.configured(entry)) is not None:
            return configured
        for key in real:
            owner, is_sure = self._owner(key)
            if owner is None or not is_sure:
                return key
        return None

    def are_needed(self, entry: ProviderEntry) -> bool:
        """Tell whether a provider takes no call without a key, as servers of one's own do."""
        return entry.name in self._shipped and not entry.hosts[0].startswith("http://")

    def available(self, entry: ProviderEntry, sent: Sequence[str] = ()) -> bool:
        """Tell whether there is a key that is surely the provider's, or was given for it."""
        if self.configured(entry) is not None:
            return True
        return any(self._owner(key)[0] == entry.name for key in sent if not is_placeholder(key))

    def how_to_give(self, entry: ProviderEntry) -> str:
        """Return what to do where there is no key."""
        names = " or ".join(variables(entry))
        return (
            f"there is no API key for {entry.name}: set {names} where llmitm runs, "
            f'or {entry.name} = "..." under [keys] in its settings'
        )

    def _owner(self, key: str) -> tuple[str | None, bool]:
        """Return whose a key is by its looks, and whether nobody else's keys begin so."""
        if _OPENAI_MARK in key:
            return "openai", True
        start = max((s for s in self._starts if key.startswith(s)), key=len, default=None)
        if start is None:
            return None, False
        others = any(s != start and s.startswith(start) for s in self._starts)
        return self._starts[start], not others


def variables(entry: ProviderEntry) -> Sequence[str]:
    """Return the variables that may hold a provider's key."""
    return entry.key_env or (f"{entry.name}_API_KEY".upper().replace("-", "_"),)


def is_placeholder(key: str) -> bool:
    """Tell whether what an app gives as its key is none of a provider's: a word, or Helicone's."""
    if _HELICONE.match(key) or len(key) < _SHORTEST:
        return True
    return not any(character.isdigit() for character in key)


def keys_sent(headers: Sequence[tuple[str, str]]) -> Sequence[str]:
    """Return the keys that a request carries; Helicone's own header is not among them."""
    found: list[str] = []
    for name, value in headers:
        if name.lower() in _KEY_HEADERS:
            scheme, space, rest = value.partition(" ")
            keys = rest if space and scheme.lower() == "bearer" else value
            found += [key.strip().removeprefix("Bearer ") for key in keys.split(",")]
    return [key for key in found if key]


def key_header(entry: ProviderEntry, dialect: str | None, key: str) -> tuple[str, str]:
    """Return the header that carries a key, name and value."""
    name = entry.key_header
    if dialect is not None and entry.dialects[0] == "anthropic" and dialect.startswith("anthropic"):
        name = "authorization" if key.startswith("sk-ant-oat") else "x-api-key"
    elif dialect is not None and dialect.startswith("gemini"):
        name = "x-goog-api-key"
    return name, f"Bearer {key}" if name == "authorization" else key
