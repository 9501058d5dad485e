"""Alerts and channels as the settings have them: `[alert.NAME]` and `[channel.NAME]`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from llmitm.calls import Json
from llmitm.errors import SettingsError
from llmitm.keys import KeySource
from llmitm.policy import alert_conditions
from llmitm.policy.alert_conditions import Condition

ChannelKind = Literal["slack", "discord", "teams", "webhook", "email", "command", "desktop"]
Security = Literal["starttls", "tls", "none"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "slack": ("url",),
    "discord": ("url",),
    "teams": ("url",),
    "webhook": ("url",),
    "email": ("host", "to"),
    "command": ("command",),
    "desktop": (),
}
_ALLOWED: Mapping[str, tuple[str, ...]] = {
    "slack": ("url", "ca_file"),
    "discord": ("url", "ca_file"),
    "teams": ("url", "ca_file"),
    "webhook": ("url", "secret", "ca_file"),
    "email": ("host", "port", "security", "user", "password", "sender", "to", "ca_file"),
    "command": ("command",),
    "desktop": (),
}


def reveal(value: KeySource, environ: Mapping[str, str] = os.environ) -> str:
    """Return a secret. Raises `SettingsError` where its variable is not set."""
    found = value.read(environ)
    if found is None:
        raise SettingsError(f"the variable {value.env} is not set where the proxy runs")
    return found


def _names(value: Json) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else value
    if isinstance(found, tuple) and found and all(isinstance(e, str) and e for e in found):
        return found
    raise ValueError('a name such as "slack", or a list of names')


def _condition(value: str) -> str:
    alert_conditions.parse(value)
    return value


def _secret(value: Json) -> KeySource:
    if isinstance(value, str) and value:
        return KeySource(value)
    if isinstance(value, dict) and [*value] == ["env"] and isinstance(value["env"], str):
        return KeySource(env=value["env"])
    raise ValueError('a text, or { env = "VARIABLE" }')


_Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
_Secret = Annotated[KeySource, BeforeValidator(_secret)]


class AlertEntry(BaseModel):
    """When to send a message, and where to."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    when: Annotated[str, AfterValidator(_condition)]
    to: _Names
    """Names of channels."""
    resolved: bool = True
    """Say also when it is over."""

    @property
    def condition(self) -> Condition:
        """What is watched."""
        return alert_conditions.parse(self.when)


class ChannelEntry(BaseModel):
    """Where messages go. Which keys there are depends on the kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: ChannelKind | None = None
    """None is what the channel's name says."""
    url: _Secret | None = None
    secret: _Secret | None = None
    """Signs what is sent."""
    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    security: Security = "starttls"
    user: str | None = None
    password: _Secret | None = None
    sender: str | None = None
    to: _Names | None = None
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    ca_file: str | None = None
    """Roots to trust beside the public ones."""

    @model_validator(mode="after")
    def _password_is_safe(self) -> Self:
        local = ("localhost", "127.0.0.1", "::1")
        if self.password is not None and self.security == "none" and self.host not in local:
            raise ValueError('a password only with security = "starttls" or "tls"')
        return self


def kind_of(name: str, entry: ChannelEntry) -> ChannelKind:
    """Return the kind of a channel. Raises `ValueError`, which says what is missing or what has no place in it."""
    kind = entry.kind or name
    if kind not in get_args(ChannelKind):
        raise ValueError(
            f"kind is missing; a channel that is named as its kind needs none: {', '.join(_NEEDED)}"
        )
    given = {
        key for key in entry.model_fields_set if key != "kind" and getattr(entry, key) is not None
    }
    for key in _NEEDED[kind]:
        if key not in given:
            raise ValueError(f"{key} is missing, which a channel of the kind {kind} needs")
    if unknown := sorted(given - set(_ALLOWED[kind])):
        allowed = ", ".join(_ALLOWED[kind]) or "nothing else"
        raise ValueError(f"{unknown[0]} has no meaning for the kind {kind}: allowed is {allowed}")
    return kind  # type: ignore[return-value]


DESKTOP = "desktop"
"""A channel that is there without settings."""


def check(alerts: Mapping[str, AlertEntry], channels: Mapping[str, ChannelEntry]) -> None:
    """Raise `ValueError` for a name, a channel or a pair of them that cannot be."""
    for section, names in (("alert", alerts), ("channel", channels)):
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{section}.{name}: allowed is a name of letters, digits, - and _")
    for name, entry in channels.items():
        try:
            kind_of(name, entry)
        except ValueError as error:
            raise ValueError(f"channel.{name}: {error}") from None
    for name, alert in alerts.items():
        for channel in alert.to:
            if channel not in channels and channel != DESKTOP:
                known = ", ".join(dict.fromkeys((*channels, DESKTOP)))
                raise ValueError(f"alert.{name}.to = {channel!r}: allowed is {known}")
