"""The table of LLM hosts: which host belongs to which provider, and what its paths mean.

Data is in `providers.toml`; the user's settings add to it in the same form. What is not in the table is never
decrypted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Annotated, Literal, NamedTuple
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from llmitm.calls import Endpoint, Json

_HOST = r"^(?:(?P<scheme>https?)://)?(?P<name>[A-Za-z0-9*._-]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?$"
_MOST_REMEMBERED = 10_000


class ProviderEntry(BaseModel):
    """One provider of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """As it is stored, and as the first part of a gateway path."""
    hosts: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=_HOST)], ...], Field(min_length=1)
    ]
    """`[scheme://]name[:port]`; `*` stands for any characters. The first without `*` is the gateway's target."""
    dialects: tuple[str, ...] = ("openai",)
    """Families of dialects that are spoken here, tried in order."""
    regions: tuple[str, ...] = ()
    """What `{region}` in a host stands for: each such host is then one host a region."""
    base_path: str = ""
    """What the gateway puts before the path, `/openai` at Groq; the path then starts with `/v1`."""
    stream_usage: bool = False
    """True where `stream_options.include_usage` is understood, and no usage comes in a stream without it."""
    rate_limits: str | None = None
    """The family of rate-limit headers, see `ratelimits`."""
    paths: tuple[str, ...] = ()
    """Where other things live on the host too: the only paths (`*` for any characters) that can be calls."""
    telemetry: tuple[str, ...] = ()
    """Paths (`*` for any characters) that are no calls: passed on as a stream and not stored."""
    routed: bool = True
    """False where the gateway cannot send a call by the model's name alone: an account or a project is in the path."""
    aliases: tuple[str, ...] = ()
    """Other names that it goes by in a model's name, as `google` in `google/gemini-2.5-pro`."""
    makes: tuple[str, ...] = ()
    """Models (`*` for any characters) that are its own; what matches one with `!` before it is not served here."""
    chat_dialect: Literal["openai_chat", "bedrock_converse"] = "openai_chat"
    """What a chat is asked for in, where the client's own dialect is not spoken."""
    openai_base: str | None = None
    """What stands here for OpenAI's `/v1`; by default `base_path` with `/v1`."""
    anthropic_base: str | None = None
    """What stands before Anthropic's `/v1/messages`, where that is spoken."""
    responses: bool = False
    """True where OpenAI's Responses API is spoken."""
    key_env: tuple[str, ...] = ()
    """Variables that may hold the API key; by default the name with `_API_KEY`."""
    key_starts: tuple[str, ...] = ()
    """What its API keys begin with."""
    key_header: str = "authorization"
    """The header for the key, where it is not told by the dialect."""

    @model_validator(mode="before")
    @classmethod
    def _one_host_a_region(cls, data: Json) -> Json:
        if not isinstance(data, dict) or not isinstance(data.get("regions"), list | tuple):
            return data
        return {**data, "hosts": list(_in_regions(data.get("hosts"), data["regions"]))}


class Origin(NamedTuple):
    """Where a gateway sends a provider's calls."""

    scheme: str
    host: str
    port: int
    base_path: str


class _Place(NamedTuple):
    entry: ProviderEntry
    name: re.Pattern[str] | str
    scheme: str | None
    port: int | None


class HostTable:
    """Look hosts and paths up. Entries that come first win, so the user's go before ours."""

    def __init__(self, entries: Iterable[ProviderEntry]) -> None:
        self.entries = tuple(entries)
        self._places = [place for entry in self.entries for place in _places(entry)]
        self._paths = {
            (entry.name, entry.hosts): (_any_of(entry.paths or ("*",)), _any_of(entry.telemetry))
            for entry in self.entries
            if entry.paths or entry.telemetry
        }
        self._meant: dict[tuple[str, tuple[str, ...], str, str], Endpoint | None] = {}
        self._known: dict[tuple[str, int], ProviderEntry | None] = {}

    def find(self, host: str, port: int) -> ProviderEntry | None:
        """Return whose host this is; None where it is not an LLM host."""
        key = (host, port)
        if key not in self._known:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = self._find(host.lower().rstrip("."), port)
        return self._known[key]

    def _find(self, host: str, port: int) -> ProviderEntry | None:
        for place in self._places:
            if place.port is not None and place.port != port:
                continue
            if place.name == host if isinstance(place.name, str) else place.name.fullmatch(host):
                return place.entry
        return None

    def endpoint(self, entry: ProviderEntry, method: str, path: str) -> Endpoint | None:
        """Return what a path on a provider's host means; None for telemetry and the like, which are no calls."""
        bare, _, query = path.partition("?")
        key = (entry.name, entry.hosts, method, bare)
        if key not in self._meant:
            if len(self._meant) >= _MOST_REMEMBERED:
                self._meant.clear()
            self._meant[key] = self._endpoint(entry, method, bare)
        meant = self._meant[key]
        if meant is not None and meant.model is None and "model=" in query:
            # Deepgram's model, and that of a realtime socket.
            return replace(meant, model=dict(parse_qsl(query)).get("model"))
        return meant

    def _endpoint(self, entry: ProviderEntry, method: str, path: str) -> Endpoint | None:
        calls, others = self._paths.get((entry.name, entry.hosts), (None, None))
        if (calls and not calls.fullmatch(path)) or (others and others.fullmatch(path)):
            return None
        # Here, since who only reads settings need not wait for a hundred modules.
        from llmitm.providers.dialects import dialects

        for dialect in dialects(entry.dialects):
            if found := dialect.endpoint(entry.name, method, path):
                return found
        return Endpoint(entry.name, "other", None)

    def provider(self, name: str) -> ProviderEntry | None:
        """Return an entry by its name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def origin(self, entry: ProviderEntry) -> Origin | None:
        """Return where the gateway sends a provider's calls; None where every host is a pattern."""
        for place in _places(entry):
            if isinstance(place.name, str):
                scheme = place.scheme or "https"
                port = place.port or (443 if scheme == "https" else 80)
                return Origin(scheme, place.name, port, entry.base_path)
        return None

    def names(self) -> list[str]:
        """Return every host name and pattern, without scheme and port, for the CA's name constraints."""
        names = {_parse(host)[1].lower() for entry in self.entries for host in entry.hosts}
        return sorted(names)


def _in_regions(hosts: Json, regions: Iterable[Json]) -> Iterator[Json]:
    for host in hosts if isinstance(hosts, list | tuple) else ():
        if isinstance(host, str) and "{region}" in host:
            yield from (host.replace("{region}", str(region)) for region in regions)
        else:
            yield host


def _parse(host: str) -> tuple[str | None, str, int | None]:
    match = re.fullmatch(_HOST, host)
    assert match is not None, host  # the model has checked it
    port = match["port"]
    return match["scheme"], match["name"], int(port) if port else None


def _places(entry: ProviderEntry) -> Iterable[_Place]:
    for host in entry.hosts:
        scheme, name, port = _parse(host)
        if port is None and scheme is not None:
            port = 443 if scheme == "https" else 80
        pattern = re.compile(_glob(name.lower())) if "*" in name else name.lower()
        yield _Place(entry, pattern, scheme, port)


def _glob(pattern: str) -> str:
    return ".*".join(map(re.escape, pattern.split("*")))


def _any_of(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(map(_glob, patterns))
    return re.compile(joined) if joined else None


@cache
def known_providers() -> tuple[ProviderEntry, ...]:
    """Return the entries of the shipped table."""
    text = resources.files(__package__).joinpath("providers.toml").read_text("utf-8")
    return tuple(ProviderEntry.model_validate(entry) for entry in tomllib.loads(text)["provider"])


def load(extra: Iterable[ProviderEntry] = ()) -> HostTable:
    """Return the table, the user's entries first.

    An extra entry with a known name and no dialects of its own adds hosts to that provider.
    """
    return HostTable([*map(_completed, extra), *known_providers()])


def _completed(entry: ProviderEntry) -> ProviderEntry:
    known = next((shipped for shipped in known_providers() if shipped.name == entry.name), None)
    if known is None:
        return entry
    return known.model_copy(update=entry.model_dump(exclude_unset=True))
