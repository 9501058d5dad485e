"""The user's settings, `~/.llmitm/settings.toml`; without the file everything has its default.

What is wrong is never passed over: an error names the file, the key, the value and what is allowed.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llmitm.alerts.entries import AlertEntry, ChannelEntry, check
from llmitm.errors import SettingsError
from llmitm.exports.otlp.entries import OtlpSettings
from llmitm.home import Home
from llmitm.keys import KeySource
from llmitm.policy.budgets import Budget
from llmitm.policy.own_limits import OwnLimit
from llmitm.policy.rules import Rule
from llmitm.policy.runaways import Action, RunawayLimits
from llmitm.policy.switches import Switches
from llmitm.providers.dialects import families
from llmitm.providers.hosts import ProviderEntry, known_providers

_LONGEST_VALUE_SHOWN = 60


def _address(value: str) -> str:
    if value != "localhost":
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("an IP address of this machine, or localhost") from None
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression of Python's ({error})") from None
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("an origin such as https://llm.example.com")
    return value.rstrip("/")


def _key(value: Any) -> KeySource:
    if isinstance(value, str) and value.strip():
        return KeySource(value.strip())
    if isinstance(value, dict) and [*value] == ["env"] and isinstance(value["env"], str):
        return KeySource(env=value["env"])
    raise ValueError('a key, or { env = "VARIABLE" }')


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone such as Europe/Berlin") from None
    return value


Fact = Literal["program", "directory", "repository", "branch", "pid", "arguments"]
"""What can be known of a program that makes calls."""
Days = Annotated[int, Field(ge=1, le=36_500)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProxySettings(_Section):
    """Where the proxy listens."""

    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """0 takes a free one."""
    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    """With any address but the loopback's, other machines can use the proxy too."""


class LogSettings(_Section):
    """What is kept, and for how long."""

    bodies: bool = True
    """False keeps tokens, cost and times, but no prompts and no answers."""
    keep_days: Days | None = None
    """Calls older than this are removed; the hourly sums stay."""
    keep_bodies_days: Days | None = None
    """Prompts and answers older than this are removed; the rest of the call stays."""
    max_size_mb: Annotated[int, Field(ge=10)] | None = None
    """The oldest bodies go when the database is larger."""
    redact: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ()
    """Regular expressions; what they match is struck out before anything is stored."""


class StreamSettings(_Section):
    """How streams are treated."""

    ask_usage: bool = True
    """Ask a provider for the usage of a stream that would come without, and take it out of what the client gets."""
    hold_seconds: Annotated[float, Field(ge=0, le=600)] = 5
    """How long the first frames of a stream are held, where it may be tried again if it fails before its content."""


class SocketSettings(_Section):
    """How WebSockets are treated."""

    refuse_responses: bool = False
    """Refuse those to the Responses API, so that Codex and Copilot make their calls over HTTP."""


class CacheSettings(_Section):
    """The answers that are kept to be given again."""

    size_mb: Annotated[int, Field(ge=1)] = 1024
    """What was not used for longest goes when there is more."""


class GovernorSettings(_Section):
    """Whether calls wait for their turn instead of running into a provider's rate limit."""

    enabled: bool = False
    longest_wait: Annotated[float, Field(ge=0, le=3_600)] = 60
    """Seconds."""
    then: Literal["go", "refuse"] = "go"
    """What becomes of a call that has waited so long."""
    limit: tuple[OwnLimit, ...] = ()
    """Limits of providers that do not tell them."""


class RunawaySettings(RunawayLimits):
    """What is done with a run that runs away."""

    action: Action = "warn"
    hold_seconds: Annotated[float, Field(ge=0, le=3_600)] = 300
    """How long a call of a run that is held waits at most."""
    then: Literal["refuse", "go"] = "refuse"
    """What becomes of a call that has waited so long."""


class RetrySettings(_Section):
    """Who tries calls again."""

    only_here: bool = False
    """Tell clients not to try again what was tried again here."""


class BudgetSettings(_Section):
    """What holds for all budgets."""

    time_zone: Annotated[str, AfterValidator(_zone)] | None = None
    """Whose days and months are counted; without it those of this machine."""
    answer_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 8_192
    """What is reserved for the answer of a call that sets no limit, until the model's answers are known."""
    wait_seconds: Annotated[float, Field(ge=0, le=600)] = 30
    """How long a call waits for others to be settled that may leave it enough."""


class CallerSettings(_Section):
    """What is kept of the programs that make calls on this machine."""

    enabled: bool = True
    """Find out which process made a call, and store it with the call."""
    keep: tuple[Fact, ...] = ("program", "directory", "repository", "branch", "pid")
    """The facts that are stored."""


class GatewaySettings(_Section):
    """Where the gateway sends calls."""

    models: dict[str, str] = Field(default_factory=dict)
    """Names of models (`*` for any characters), and what is asked for instead: a model, `model/provider`."""
    allow: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Origins beside the LLM hosts that are known to which `Helicone-Target-URL` may lead."""
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Of web pages that may spend with the keys that are kept here."""


class Settings(_Section):
    """Everything that can be set."""

    proxy: ProxySettings = ProxySettings()
    log: LogSettings = LogSettings()
    streams: StreamSettings = StreamSettings()
    sockets: SocketSettings = SocketSettings()
    cache: CacheSettings = CacheSettings()
    governor: GovernorSettings = GovernorSettings()
    retries: RetrySettings = RetrySettings()
    runaway: RunawaySettings = RunawaySettings()
    callers: CallerSettings = CallerSettings()
    budgets: BudgetSettings = BudgetSettings()
    budget: tuple[Budget, ...] = ()
    """What may be spent on the calls that its patterns match."""
    defaults: Switches = Switches()
    """What holds for calls that say nothing else."""
    rule: tuple[Rule, ...] = ()
    """What holds for the calls that its patterns match; a later rule goes before an earlier one."""
    gateway: GatewaySettings = GatewaySettings()
    otlp: OtlpSettings = OtlpSettings()
    keys: dict[str, Annotated[KeySource, BeforeValidator(_key)]] = Field(default_factory=dict)
    """API keys, by the name of their provider."""
    provider: tuple[ProviderEntry, ...] = ()
    """LLM hosts of one's own, in the form of `providers.toml`."""
    alert: dict[str, AlertEntry] = Field(default_factory=dict)
    """When to send a message, by name."""
    channel: dict[str, ChannelEntry] = Field(default_factory=dict)
    """Where messages go, by name."""


_SECTIONS: dict[str, type[BaseModel]] = {
    "proxy": ProxySettings,
    "log": LogSettings,
    "streams": StreamSettings,
    "sockets": SocketSettings,
    "cache": CacheSettings,
    "governor": GovernorSettings,
    "retries": RetrySettings,
    "runaway": RunawaySettings,
    "callers": CallerSettings,
    "budgets": BudgetSettings,
    "defaults": Switches,
    "gateway": GatewaySettings,
    "otlp": OtlpSettings,
}

_NAMED: dict[str, type[BaseModel]] = {"alert": AlertEntry, "channel": ChannelEntry}
_TABLES: dict[str, type[BaseModel]] = {"rule": Rule, "provider": ProviderEntry, "budget": Budget}


def load(home: Home, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. A single value can be set by a variable, as `LLMITM_LOG_BODIES=false`.

    Raises `SettingsError`.
    """
    try:
        text = home.settings.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{home.settings}: cannot be read: {error}") from error
    settings = parse(home.settings, text)
    for section, model in _SECTIONS.items():
        for key in model.model_fields:
            name = f"LLMITM_{section}_{key}".upper()
            if name in environ:
                single = parse(
                    Path(f"variable {name}"), f"[{section}]\n{key} = {_as_toml(environ[name])}"
                )
                value = getattr(getattr(single, section), key)
                changed = getattr(settings, section).model_copy(update={key: value})
                settings = settings.model_copy(update={section: changed})
    return _with_allowed(settings)


def _as_toml(value: str) -> str:
    """Return a variable's value as TOML; what is none is a string without its quotes."""
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return json.dumps(value)
    return value


def parse(path: Path, text: str) -> Settings:
    """Read settings out of a file's text. Raises `SettingsError`, which names `path`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from error
    try:
        settings = Settings.model_validate(_with_tuples(document))
    except ValidationError as error:
        raise SettingsError(_explain(path, error)) from error
    budgets = [budget.name for budget in settings.budget]
    if twice := next((name for name in budgets if budgets.count(name) > 1), None):
        raise SettingsError(f"{path}: budget.name = {twice!r}: allowed is each name once")
    for number, entry in enumerate(settings.provider, 1):
        for family in entry.dialects:
            if family not in families():
                allowed = ", ".join(families())
                raise SettingsError(
                    f"{path}: provider[{number}].dialects = {family!r}: allowed is {allowed}"
                )
    names = {entry.name for entry in (*settings.provider, *known_providers())}
    for name in settings.keys:
        if name not in names:
            near = get_close_matches(name, names, 1)
            told = f"; there is {near[0]}" if near else ""
            raise SettingsError(f"{path}: keys.{name} is not the name of a provider{told}")
    try:
        check(settings.alert, settings.channel)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error
    return _with_allowed(settings)


def _with_allowed(settings: Settings) -> Settings:
    """Return settings in which every origin that is allowed has a provider."""
    names = {entry.name for entry in settings.provider}
    allowed = (entry for entry in _allowed(settings.gateway.allow) if entry.name not in names)
    return settings.model_copy(update={"provider": (*settings.provider, *allowed)})


def _allowed(origins: tuple[str, ...]) -> Iterator[ProviderEntry]:
    """Return providers for origins that are allowed and not known, so that calls to them are logged."""
    for origin in origins:
        parts = urlsplit(origin)
        name = str(parts.hostname)
        if not any(name in entry.hosts for entry in known_providers()):
            yield ProviderEntry(
                name=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"), hosts=(origin,)
            )


def _with_tuples(value: Any) -> Any:
    """TOML knows arrays, strict models take tuples."""
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return value


def _explain(path: Path, error: ValidationError) -> str:
    """Return one line for the first fault, and how many more there are."""
    faults = error.errors(include_url=False)
    first = faults[0]
    place = first["loc"]
    key = "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place
    ).lstrip(".")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_keys_beside(place))
        return f"{path}: {key} is not known; here may stand {allowed}{more}"
    if first["type"] == "missing":
        return f"{path}: {key} is missing{more}"
    given = first["input"]
    value = repr(list(given) if isinstance(given, tuple) else given)
    if "fallbacks" in place:
        value = "[…]"  # there are API keys in it
    if place[0] in ("keys", "channel") or place[:2] == ("otlp", "headers"):
        value = "…"  # it may be one, or a password
    if len(value) > _LONGEST_VALUE_SHOWN:
        value = value[:_LONGEST_VALUE_SHOWN] + "…"
    allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    allowed = allowed.replace("String should match", "text that matches")
    if first["type"] in ("model_type", "dict_type"):
        allowed = "a table"
    if first["type"] == "tuple_type":
        allowed = "a list of tables" if place[-1] in _TABLES else "a list"
    return f"{path}: {key} = {value}: allowed is {allowed}{more}"


def _keys_beside(place: tuple[int | str, ...]) -> list[str]:
    model = Settings if len(place) == 1 else (_SECTIONS | _TABLES | _NAMED)[str(place[0])]
    if place[:2] == ("governor", "limit") and len(place) > 3:
        model = OwnLimit
    return list(model.model_fields)
