"""Alerts written into the settings and taken out of them, leaving all else in the file as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from llmitm import files
from llmitm.alerts.entries import AlertEntry
from llmitm.errors import LlmitmError
from llmitm.home import Home
from llmitm.policy.alert_conditions import Condition
from llmitm.policy.alert_conditions import parse as parse_condition
from llmitm.settings import Settings, load, parse

_TABLE = re.compile(r"\s*\[")


def add(
    place: Home,
    condition: str,
    to: Sequence[str],
    name: str | None = None,
    *,
    resolved: bool = True,
) -> tuple[str, Condition]:
    """Write an alert into the settings and return its name, and what it watches. Raises `LlmitmError`."""
    settings = load(place)
    try:
        watched = parse_condition(condition)
    except ValueError as error:
        raise LlmitmError(str(error)) from error
    name = name or _free_name(watched, settings)
    if name in settings.alert:
        raise LlmitmError(f"there is an alert {name} already; --name gives this one another name")
    lines = [f"[alert.{name}]", f"when = {json.dumps(str(watched), ensure_ascii=False)}"]
    lines.append(f"to = {json.dumps(list(to))}")
    if not resolved:
        lines.append("resolved = false")
    before = _text(place)
    text = before + ("\n" if before else "") + "\n".join(lines) + "\n"
    parse(place.settings, text)
    place.create()
    files.replace(place.settings, text.encode())
    return name, watched


def remove(place: Home, name: str) -> None:
    """Take an alert out of the settings. Raises `LlmitmError` where there is none, or it cannot be told from the rest."""
    before = _text(place)
    settings = parse(place.settings, before)
    if name not in settings.alert:
        known = ", ".join(settings.alert) or "none"
        raise LlmitmError(f"there is no alert {name!r}; there is {known}")
    text = "".join(_without(before.splitlines(keepends=True), name))
    if _alerts(place, text) != {key: each for key, each in settings.alert.items() if key != name}:
        raise LlmitmError(f"alert.{name} is not a table of its own: remove it in {place.settings}")
    files.replace(place.settings, text.encode())


def _text(place: Home) -> str:
    return place.settings.read_text("utf-8") if place.settings.exists() else ""


def _alerts(place: Home, text: str) -> dict[str, AlertEntry]:
    try:
        return parse(place.settings, text).alert
    except LlmitmError:
        return {}


def _without(lines: Sequence[str], name: str) -> list[str]:
    """Return lines without a table, up to the next one and its comments."""
    header = re.compile(rf"""\s*\[\s*alert\s*\.\s*["']?{re.escape(name)}["']?\s*\]""")
    start = next((number for number, line in enumerate(lines) if header.match(line)), None)
    if start is None:
        return list(lines)
    ends = (number for number in range(start + 1, len(lines)) if _TABLE.match(lines[number]))
    end = next(ends, len(lines))
    while end > start + 1 and lines[end - 1].lstrip().startswith("#"):
        end -= 1
    while end == len(lines) and start and not lines[start - 1].strip():
        start -= 1
    return [*lines[:start], *lines[end:]]


def _free_name(condition: Condition, settings: Settings) -> str:
    """Return a name made of the metric, the window and the groups."""
    parts = [condition.words, str(condition.window or ""), *condition.by]
    stem = re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")[:50]
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(settings.alert) + 3))]
    return next(name for name in names if name not in settings.alert)
