"""What `llmitm run --cache`, `--offline`, `--record` and `--replay` ask of the proxy, told to it by variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmitm.errors import SettingsError
from llmitm.policy.directives import DAY_SECONDS
from llmitm.policy.switches import Switches

TTL, OFFLINE, RECORD, REPLAY = (
    "LLMITM_CACHE_TTL",
    "LLMITM_CACHE_OFFLINE",
    "LLMITM_RECORD",
    "LLMITM_REPLAY",
)
LONGEST_TTL = 365 * DAY_SECONDS
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": DAY_SECONDS}
_TIME = re.compile(r"([0-9]{1,9})([smhd]?)")


@dataclass(frozen=True, slots=True)
class Modes:
    """How the proxy treats every call."""

    ttl: int | None = None
    """Seconds: the cache is on for calls of which nobody said anything."""
    offline: bool = False
    """Answers come from the cache only."""
    record: Path | None = None
    """The file into which every call is written."""
    replay: Path | None = None
    """The file from which all answers come."""

    def over(self, defaults: Switches) -> Switches:
        """Return the defaults of the settings with what is asked here put over them."""
        if self.ttl is None:
            return defaults
        return defaults.model_copy(update={"cache": True, "cache_max_age": self.ttl})


def modes(environ: Mapping[str, str] = os.environ) -> Modes:
    """Return what the variables say. Raises `SettingsError`."""
    offline = environ.get(OFFLINE, "")
    if offline not in ("", "0", "1"):
        raise SettingsError(f"variable {OFFLINE} = {offline!r}: allowed is 1 or 0")
    asked = Modes(
        ttl=_ttl(environ),
        offline=offline == "1",
        record=_path(environ, RECORD),
        replay=_path(environ, REPLAY),
    )
    given = [
        name
        for name, value in (
            (OFFLINE, asked.offline),
            (RECORD, asked.record),
            (REPLAY, asked.replay),
        )
        if value
    ]
    if len(given) > 1:
        raise SettingsError(f"variables {' and '.join(given)}: only one of them can hold")
    return asked


def seconds(text: str) -> int:
    """Return a time to live in seconds: 90, 10m, 2h, 7d. Raises `ValueError`, which says what is allowed."""
    match = _TIME.fullmatch(text)
    found = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= found <= LONGEST_TTL:
        raise ValueError(f"{text!r}: allowed is a time such as 90, 10m, 2h or 7d, at most 365d")
    return found


def _ttl(environ: Mapping[str, str]) -> int | None:
    if not (text := environ.get(TTL)):
        return None
    try:
        return seconds(text)
    except ValueError as error:
        raise SettingsError(f"variable {TTL} = {error}") from None


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None
