"""Hosts of Helicone's gateways: whose calls come by them. Data is in `helicone.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class HeliconeHosts:
    """What decides where a call goes that was meant for Helicone."""

    by_model: frozenset[str]
    """Hosts where the model does."""
    by_header: frozenset[str]
    """Hosts where a header names the provider's origin."""
    provider: Mapping[str, str]
    """Hosts that stand for one provider."""

    def __contains__(self, host: str) -> bool:
        return host in self.by_model or host in self.by_header or host in self.provider


@cache
def helicone_hosts() -> HeliconeHosts:
    """Return the hosts of the shipped table."""
    text = resources.files(__package__).joinpath("helicone.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return HeliconeHosts(
        frozenset(table["by_model"]), frozenset(table["by_header"]), table["provider"]
    )
