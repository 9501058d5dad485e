"""Send a message by a channel of the settings, whatever its kind."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from typing import assert_never

from llmitm.alerts import commands, forms, http, mail
from llmitm.alerts.entries import DESKTOP, ChannelEntry, kind_of, reveal
from llmitm.alerts.messages import Message
from llmitm.alerts.sending import NotSentError
from llmitm.errors import SettingsError


def send(
    message: Message,
    name: str,
    channels: Mapping[str, ChannelEntry],
    now: float,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Send a message and return what the receiver said. Raises `NotSentError`."""
    entry = channels.get(name)
    if entry is None:
        if name != DESKTOP:
            raise NotSentError(f"there is no channel {name} in the settings any more")
        entry = ChannelEntry(kind="desktop")
    try:
        return _send(message, name, entry, now, environ)
    except (SettingsError, ValueError) as error:
        raise NotSentError(str(error)) from error


def _send(
    message: Message, name: str, entry: ChannelEntry, now: float, environ: Mapping[str, str]
) -> str:
    kind = kind_of(name, entry)
    match kind:
        case "slack" | "discord" | "teams" | "webhook":
            form = {
                "slack": forms.slack,
                "discord": forms.discord,
                "teams": forms.teams,
                "webhook": forms.webhook,
            }[kind]
            secret = None if entry.secret is None else reveal(entry.secret, environ)
            return http.post(
                "" if entry.url is None else reveal(entry.url, environ),
                form(message),
                message.id,
                secret=secret,
                ca_file=entry.ca_file,
                now=now,
            )
        case "email":
            password = None if entry.password is None else reveal(entry.password, environ)
            server = mail.Server(
                entry.host or "", entry.port, entry.security, entry.user, password, entry.ca_file
            )
            return mail.send(message, server, entry.sender or _sender(entry), entry.to or ())
        case "command":
            return commands.run(message, entry.command or ())
        case "desktop":
            return commands.run(message, commands.desktop())
        case _:
            assert_never(kind)


def _sender(entry: ChannelEntry) -> str:
    if entry.user is not None and "@" in entry.user:
        return entry.user
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "llmitm"
    return f"{user}@{socket.gethostname()}"
