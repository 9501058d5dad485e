"""docs/settings.md has every key of the settings with its default, and its example is valid."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from harness import ROOT
from llmitm.providers.hosts import ProviderEntry
from llmitm.settings import (
    CacheSettings,
    CallerSettings,
    LogSettings,
    ProxySettings,
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
    "callers": CallerSettings,
    "provider": ProviderEntry,
}


def documented(section: str) -> dict[str, str]:
    """Return the defaults that stand in the table under a section's heading."""
    match = re.search(rf"^## `\[+{section}\]+`.*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, f"no heading for [{section}]"
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", match[0], re.MULTILINE))


def default(model: type[BaseModel], key: str) -> str:
    value = model.model_fields[key].default
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{each}"' for each in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


@pytest.mark.parametrize(("section", "model"), SECTIONS.items())
def test_every_key_with_its_default(section: str, model: type[BaseModel]) -> None:
    assert documented(section) == {key: default(model, key) for key in model.model_fields}


def test_every_section() -> None:
    assert set(Settings.model_fields) == set(SECTIONS)


def test_the_example_can_be_used() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert set(tomllib.loads(example)) <= set(SECTIONS)
    assert parse(Path("docs/settings.md"), example) != Settings()
