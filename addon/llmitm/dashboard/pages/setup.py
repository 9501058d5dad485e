"""Setup: how programs are made to use the proxy, which ones did, and which ones could not."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

from llmitm.calls import Json
from llmitm.cli import env
from llmitm.dashboard.page import Page, Shown, View
from llmitm.environment import original
from llmitm.errors import LlmitmError, StoreError
from llmitm.running import Running, find
from llmitm.settings import load
from llmitm.store.clients import Client, clients

_MOST = 40
_WAYS = (
    ("one program", "llmitm run -- python my_app.py", ""),
    ("bash, zsh", 'eval "$(llmitm env)"', "sh"),
    ("fish", "llmitm env -f fish | source", "fish"),
    ("PowerShell", "llmitm env -f powershell | Out-String | Invoke-Expression", "powershell"),
    (".env", "llmitm env -f dotenv > .env", "dotenv"),
    ("Docker", 'eval "docker run $(llmitm env -f docker) IMAGE"', "docker"),
    ("Compose", "llmitm env -f compose", "compose"),
)


def show(view: View) -> Shown:
    """Return the page."""
    settings = load(view.home)
    running = find(view.home)
    health = (running.health() if running else None) or {}
    answers_at = running or Running(settings.proxy.port)
    ways = [
        {"name": name, "line": line, "text": _variables(view, answers_at, form)}
        for name, line, form in _WAYS
    ]
    content = {
        "ways": ways,
        "running": running,
        "url": answers_at.url,
        "pid": health.get("pid"),
        "version": health.get("llmitm"),
        "counters": _numbers(health.get("counters")),
        "faults": _numbers(health.get("faults")),
        "refusals": _refusals(health.get("refusals")),
        "clients": _clients(view),
        "folder": str(view.home.folder),
        "has_ca": view.home.ca_certificate.exists(),
        "base_urls": _base_urls(view, answers_at),
    }
    return Shown(content, "llmitm doctor")


def _variables(view: View, running: Running, form: str) -> str:
    """Return what a way sets; empty where that cannot be told without making a CA first."""
    if not form or not view.home.ca_certificate.exists():
        return ""
    return _text(view, running, form, base_url=False)


def _base_urls(view: View, running: Running) -> str:
    return _text(view, running, "sh", base_url=True)


def _text(view: View, running: Running, form: str, *, base_url: bool) -> str:
    arguments = argparse.Namespace(format=form, tags={}, base_url=base_url, aiohttp=False)
    # What this process was started with is no part of what another one needs.
    user = {} if base_url else original(os.environ)
    try:
        return env.text(view.home, running, arguments, user)
    except LlmitmError as error:
        return f"# {error}"


def _clients(view: View) -> Sequence[Client]:
    try:
        return clients(view.log, _MOST)
    except StoreError:
        return ()


def _numbers(found: Json) -> list[tuple[str, int]]:
    if not isinstance(found, Mapping):
        return []
    return [
        (name.replace("_", " "), number)
        for name, number in found.items()
        if isinstance(number, int) and number
    ]


def _refusals(found: Json) -> list[tuple[str, str]]:
    """Return programs that refuse our certificate, and the hosts that they wanted."""
    each = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
    pairs = {
        (str(one.get("client")), str(one.get("host"))) for one in each if isinstance(one, Mapping)
    }
    return sorted(pairs)


PAGE = Page("setup", "Setup", "s", show, filtered=False, needs_log=False)
