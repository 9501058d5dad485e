"""Where a call goes by the model that it names: who serves it, under which address, in which dialect.

A name may pin its provider (`groq/llama-3.3-70b-versatile`, `gpt-4o/azure`). One that does not goes to who made the
model, if there is a key for it, else to who has a key and is known to serve it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Protocol

from llmitm.calls import Endpoint
from llmitm.providers.dialects import dialects
from llmitm.providers.hosts import HostTable, Origin, ProviderEntry

_CHAT = "openai_chat"
_RESPONSES = "openai_responses"
_ANTHROPIC = "anthropic_messages"
_BY_MODEL = frozenset(
    {
        "chat", "completion", "embedding", "image", "speech", "transcription", "rerank",
        "moderation", "count_tokens",
    }
)  # fmt: skip
"""Operations whose request names a model."""
_CLAUDE = re.compile(r"claude-(\d+)(?:[.-](\d))?-(opus|sonnet|haiku)\b(.*)")
_NEAR = 3
_MOST_REMEMBERED = 1_000
"""Names remembered. A client that makes names up must not fill the memory."""
_NOBODY = "no model has this name"
"""Whoever knows it knows every name: servers of one's own, plans."""


class Models(Protocol):
    """Who serves which model."""

    def knows(self, provider: str, model: str) -> bool:
        """Tell whether a provider serves a model."""

    def names(self, provider: str) -> Sequence[str]:
        """Return the models that a provider serves."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call goes."""

    entry: ProviderEntry
    origin: Origin
    base_path: str
    """What stands there for OpenAI's `/v1`, or before the path in another dialect."""
    model: str
    """As it is called there."""
    dialect: str
    """The client's own, where that is spoken there."""

    def path(self, path: str) -> str:
        """Return the address of what OpenAI and Anthropic have at `path`, which begins with `/v1`."""
        if self.dialect.startswith("openai"):
            return self.base_path + path.removeprefix("/v1")
        return self.base_path + path


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody is known to serve the model."""

    model: str
    names: Sequence[str]
    """Of all models that can be reached."""
    reason: str | None = None
    """Why it cannot be sent to the provider that is pinned."""

    def near(self) -> Sequence[str]:
        """Return names like it, the nearest first; looks through all of them."""
        lowered = {name.lower(): name for name in self.names}
        bare = self.model.lower().rpartition("/")[2]
        return [lowered[name] for name in get_close_matches(bare, lowered, _NEAR, 0.5)]


type Available = Callable[[ProviderEntry], bool]
"""Tells whether there is a key for a provider."""


class Routing:
    """Find who serves a model."""

    def __init__(
        self, hosts: HostTable, models: Models, own: Mapping[str, str] | None = None
    ) -> None:
        """`own` are the user's: a pattern of names, and what is asked for instead."""
        self._hosts = hosts
        self._models = models
        self._own = own or {}
        self._by_name: dict[str, ProviderEntry] = {}
        self._lower_names: dict[str, frozenset[str]] = {}
        self._served: dict[str, Sequence[ProviderEntry]] = {}
        for entry in hosts.entries:
            for name in (entry.name, *entry.aliases):
                self._by_name.setdefault(name, entry)
        self._routed = [
            entry
            for entry in dict.fromkeys(self._by_name.values())
            if entry.routed and hosts.origin(entry)
        ]

    def provider(self, name: str) -> ProviderEntry | None:
        """Return a provider by its name, or one that it goes by in names of models."""
        return self._by_name.get(name.lower())

    def names_of_providers(self) -> frozenset[str]:
        """Return all names by which a provider can be pinned or excluded."""
        return frozenset(self._by_name)

    def resolve(
        self,
        model: str,
        wanted: str | None = None,
        excluded: frozenset[str] = frozenset(),
        available: Available = lambda _: True,
        client: str = _CHAT,
    ) -> Route | Unknown:
        """Return where a call for a model goes that a client makes in a dialect."""
        model = self.instead_of(model)
        barred = {entry.name for name in excluded if (entry := self.provider(name))}
        if wanted is not None:
            entry, name = self.provider(wanted), model
            if entry is None:
                return Unknown(model, self._reachable(available), f"no provider is {wanted!r}")
        else:
            entry, name = self.pinned(model)
        if entry is not None:
            if entry.name in barred:
                return Unknown(model, (), f"{entry.name} is excluded")
            if not available(entry) and (other := self._reseller(model, barred, available)):
                return self._route(other, model, client) or Unknown(
                    model, (), _why_not(other, client)
                )
            return self._route(entry, name, client) or Unknown(model, (), _why_not(entry, client))
        served = [entry for entry in self._serving(model) if entry.name not in barred]
        for entry in [*filter(available, served), *served]:
            if route := self._route(entry, model, client):
                return route
        if served:
            return Unknown(model, (), _why_not(served[0], client))
        return Unknown(model, self._reachable(available))

    def may_have(self, entry: ProviderEntry, model: str) -> bool:
        """Tell whether a provider may serve a model: it is known to, or its models are not known."""
        if _refuses(entry, model):
            return False
        if makes(entry, model) or self._models.knows(entry.name, self._spelled(entry, model)):
            return True
        return not self._models.names(entry.name)

    def listed(self, available: Available) -> Iterator[tuple[str, str]]:
        """Yield the models that can be reached, each with its provider, by the name that leads there."""
        for entry in filter(available, self._routed):
            for model in self._models.names(entry.name):
                for name in (model, f"{entry.name}/{model}"):
                    route = self.resolve(name, available=available)
                    if isinstance(route, Route) and route.entry is entry:
                        yield name, entry.name
                        break

    def _reseller(
        self, model: str, barred: Collection[str], available: Available
    ) -> ProviderEntry | None:
        """Return who serves a model by the very name that begins with its maker's, as OpenRouter does."""
        if "/" not in model:
            return None
        reachable = (e for e in self._routed if available(e) and e.name not in barred)
        return next((e for e in reachable if model.lower() in self._lowered(e.name)), None)

    def _lowered(self, provider: str) -> frozenset[str]:
        if provider not in self._lower_names:
            names = self._models.names(provider)
            self._lower_names[provider] = frozenset(name.lower() for name in names)
        return self._lower_names[provider]

    def _reachable(self, available: Available) -> Sequence[str]:
        return [
            name
            for entry in self._routed
            if available(entry)
            for name in self._models.names(entry.name)
        ]

    def leaves(self, home: ProviderEntry, model: str) -> bool:
        """Tell whether a call for a model is not for the provider that its client named, but for another one."""
        if "," in model or self.instead_of(model) != model:
            return True
        return not self.may_have(home, model) and isinstance(self.resolve(model), Route)

    def instead_of(self, model: str) -> str:
        """Return what is asked for instead of a model, by the user's own settings."""
        return instead_of(model, self._own)

    def pinned(self, model: str) -> tuple[ProviderEntry | None, str]:
        """Return the provider that a name pins, and the name without it."""
        rest, slash, last = model.rpartition("/")
        if rest and (entry := self.provider(last)):
            return entry, rest
        first, slash, rest = model.partition("/")
        entry = self.provider(first) if slash and rest else None
        if entry is None:
            return None, model
        if not _refuses(entry, rest) and self.may_have(entry, rest):
            return entry, rest
        if self._serving(model):
            return None, model  # by a name that has a maker's in it
        return (None if _refuses(entry, rest) else entry), rest

    def _serving(self, model: str) -> Sequence[ProviderEntry]:
        """Return who serves a model, its maker first."""
        found = self._served.get(model)
        if found is None:
            if len(self._served) >= _MOST_REMEMBERED:
                self._served.clear()
            found = self._served[model] = self._find_serving(model)
        return found

    def _find_serving(self, model: str) -> Sequence[ProviderEntry]:
        makers = [entry for entry in self._routed if makes(entry, model)]
        others = [
            entry
            for entry in self._routed
            if entry not in makers
            and not _refuses(entry, model)
            and self._models.knows(entry.name, model)
            and not self._models.knows(entry.name, _NOBODY)
        ]
        known = any(self._models.knows(e.name, self._spelled(e, model)) for e in makers)
        # A maker's newest models are not in any table; what only others serve is not the maker's any more.
        return [*makers, *others] if known or not others else [*others, *makers]

    def _route(self, entry: ProviderEntry, model: str, client: str) -> Route | None:
        origin = self._hosts.origin(entry)
        dialect = spoken(entry, client)
        if origin is None or dialect is None or not entry.routed:
            return None
        base = _base_path(entry, dialect)
        return Route(entry, origin, base, self._spelled(entry, model), dialect)

    def _spelled(self, entry: ProviderEntry, model: str) -> str:
        """Return a model's name as its maker writes it, where others write it differently.

        Helicone says `claude-4.5-sonnet`, OpenRouter `claude-sonnet-4.5`, Anthropic `claude-sonnet-4-5`.
        """
        if not model.startswith("claude-") or not makes(entry, model):
            return model
        names = [model, model.replace(".", "-")]
        if match := _CLAUDE.fullmatch(model):
            major, minor, family, rest = match.groups()
            names.append("-".join(filter(None, ("claude", family, major, minor))) + rest)
        names.append(f"{model}-0")
        return next((name for name in names if self._models.knows(entry.name, name)), names[-2])


def instead_of(model: str, own: Mapping[str, str]) -> str:
    """Return what is asked for instead of a model; the first pattern that fits holds."""
    for pattern, target in own.items():
        if fnmatchcase(model.lower(), pattern.lower()):
            return target
    return model


def asked_for(path: str) -> Endpoint | None:
    """Return what a `POST` asks for at a path that begins with `/v1`; None where no model is named in its body."""
    for dialect in dialects(("anthropic", "openai")):
        endpoint = dialect.endpoint("", "POST", path)
        if endpoint is not None:
            is_by_model = endpoint.operation in _BY_MODEL and endpoint.counted
            return endpoint if is_by_model and endpoint.model is None else None
    return None


def spoken(entry: ProviderEntry, client: str) -> str | None:
    """Return the dialect in which a provider is asked what a client asks in its own; None where there is none."""
    if client.startswith("anthropic"):
        if entry.anthropic_base is not None:
            return client
        return entry.chat_dialect if client == _ANTHROPIC else None
    if client == _RESPONSES and not entry.responses:
        return _ANTHROPIC if entry.dialects[0] == "anthropic" else entry.chat_dialect
    if entry.chat_dialect == _CHAT:
        return client if client.startswith("openai") or client in entry.dialects else None
    return entry.chat_dialect if client == _CHAT else None


def _base_path(entry: ProviderEntry, dialect: str) -> str:
    if dialect.startswith("anthropic"):
        return entry.anthropic_base or ""
    if dialect.startswith("openai"):
        return f"{entry.base_path}/v1" if entry.openai_base is None else entry.openai_base
    return entry.base_path


def _why_not(entry: ProviderEntry, client: str) -> str:
    if not entry.routed or spoken(entry, client) is not None:
        return f"{entry.name} cannot be reached by a model's name alone: it needs an address of your own"
    return f"{entry.name} has nothing like {client}"


def makes(entry: ProviderEntry, model: str) -> bool:
    """Tell whether a model is a provider's own, by its name alone."""
    return any(_fits(model, pattern) for pattern in entry.makes) and not _refuses(entry, model)


def _refuses(entry: ProviderEntry, model: str) -> bool:
    return any(_fits(model, pattern[1:]) for pattern in entry.makes if pattern.startswith("!"))


def _fits(model: str, pattern: str) -> bool:
    return fnmatchcase(model.lower(), pattern)
