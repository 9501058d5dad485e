"""What a known client puts anew into every body: a session, a moment, a random id. The data is in volatile.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from llmitm.calls import Json
from llmitm.policy.places import Place, change_texts, leave_out, place


@dataclass(frozen=True, slots=True)
class _Strike:
    places: tuple[Place, ...]
    patterns: tuple[re.Pattern[str], ...]

    def text(self, text: str) -> str:
        for pattern in self.patterns:
            text = pattern.sub("", text)
        return text


@dataclass(frozen=True, slots=True)
class _Client:
    name: str
    pattern: re.Pattern[str]
    leave_out: tuple[Place, ...]
    strikes: tuple[_Strike, ...]


def names() -> tuple[str, ...]:
    """Return the clients of which it is known what they change."""
    return tuple(client.name for client in _clients())


def without_volatile(document: Json, user_agent: str | None) -> None:
    """Take out of a request's document what its client puts anew into every one."""
    for client in _clients():
        if client.pattern.search(user_agent or ""):
            leave_out(document, client.leave_out)
            for strike in client.strikes:
                change_texts(document, strike.places, strike.text)


@cache
def _clients() -> tuple[_Client, ...]:
    text = resources.files("llmitm.policy").joinpath("volatile.toml").read_text("utf-8")
    return tuple(
        _Client(
            entry["name"],
            re.compile(entry["client"]),
            tuple(map(place, entry.get("leave_out", ()))),
            tuple(
                _Strike(tuple(map(place, each["at"])), tuple(map(re.compile, each["patterns"])))
                for each in entry.get("strike", ())
            ),
        )
        for entry in tomllib.loads(text)["client"]
    )
