"""docs/settings.md has every key of the settings with its default, and its example is valid."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from harness import ROOT
from llmitm.alerts.entries import AlertEntry, ChannelEntry
from llmitm.exports.otlp.entries import OtlpSettings
from llmitm.policy import asked
from llmitm.policy.budgets import Budget
from llmitm.policy.directives import Directives
from llmitm.policy.own_limits import OwnLimit
from llmitm.policy.rules import Rule
from llmitm.policy.switches import Switches, directives, layer, merged
from llmitm.providers.hosts import ProviderEntry
from llmitm.settings import (
    BudgetSettings,
    CacheSettings,
    CallerSettings,
    GatewaySettings,
    GovernorSettings,
    LogSettings,
    ProxySettings,
    RetrySettings,
    RunawaySettings,
    Settings,
    SocketSettings,
    StreamSettings,
    parse,
)

TEXT = (ROOT / "docs" / "settings.md").read_text("utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "proxy": ProxySettings,
    "log": LogSettings,
    "streams": StreamSettings,
    "sockets": SocketSettings,
    "cache": CacheSettings,
    "governor": GovernorSettings,
    "retries": RetrySettings,
    "runaway": RunawaySettings,
    "callers": CallerSettings,
    "gateway": GatewaySettings,
    "otlp": OtlpSettings,
    "budgets": BudgetSettings,
    "budget": Budget,
    "provider": ProviderEntry,
    "alert": AlertEntry,
    "channel": ChannelEntry,
}
INNER: dict[str, type[BaseModel]] = {"governor.limit": OwnLimit}
"""Tables within sections."""
OPEN: dict[str, type[BaseModel]] = {"defaults": Switches, "rule": Rule}
"""Sections whose keys are open where they are not set."""


def text_of(section: str) -> str:
    """Return what stands under a section's heading."""
    match = re.search(
        rf"^## `\[+{section}(?:\.NAME)?\]+`.*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
    assert match, f"no heading for [{section}]"
    return match[0]


def documented(section: str) -> dict[str, str]:
    """Return the defaults that stand in the table of a section."""
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text_of(section), re.MULTILINE))


def default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "`{}`" if not value else str(value)
    if isinstance(value, tuple):
        return "`[" + ", ".join(map(json.dumps, value)) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


@pytest.mark.parametrize(("section", "model"), (SECTIONS | INNER).items())
def test_every_key_with_its_default(section: str, model: type[BaseModel]) -> None:
    assert documented(section) == {key: default(model, key) for key in model.model_fields}


def test_every_section() -> None:
    assert set(Settings.model_fields) == {*SECTIONS, *OPEN, "keys"}
    assert text_of("keys")


def test_every_switch_and_what_holds_without_it() -> None:
    said = documented("defaults")
    assert list(said) == list(Switches.model_fields)
    values = {key: value.strip("`") for key, value in said.items() if value.startswith("`")}
    assert set(said) - set(values) == {
        "cache_read",
        "cache_save",
        "cache_seed",
        "rate_limit",
        "runaway",
        "target_url",
    }
    usual = "[defaults]\ncache = true\nretry = true\nfallback_models = ['m']\n"
    for key, value in values.items():
        if key == "fallbacks":
            assert value == "[]"
        elif value == "false" or key == "fallback_models":
            assert what_holds(f"[defaults]\n{key} = {value}") == Directives()
        else:
            assert what_holds(f"{usual}{key} = {value}") == what_holds(usual), key


def what_holds(text: str) -> Directives:
    defaults = parse(Path("docs/settings.md"), text).defaults
    return directives(merged([layer(defaults)]), ())


def test_every_pattern_of_a_rule() -> None:
    assert set(documented("rule")) == set(Rule.model_fields) - set(Switches.model_fields)
    assert set(documented("rule").values()) == {"none"}


def test_every_header_that_has_a_switch() -> None:
    named = set(re.findall(r"^\| `\w+` \| [^|]+ \| `([\w-]+)", text_of("defaults"), re.MULTILINE))
    assert named == {*asked.NAMES, "Cache-Control"} - {"Helicone-OpenAI-Api-Base"}


def test_the_examples_can_be_used() -> None:
    for example in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL):
        assert set(tomllib.loads(example)) <= {*SECTIONS, *OPEN, "keys"}
        assert parse(Path("docs/settings.md"), example) != Settings()
