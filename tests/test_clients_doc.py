"""docs/clients.md and the table of variables say the same."""

from __future__ import annotations

import re

import pytest

from harness import ROOT
from llmitm.environment import TABLE, Value, base_urls

TEXT = (ROOT / "docs" / "clients.md").read_text("utf-8")
ONLY_ON_DEMAND = "PYTHONPATH"
"""Set with `--aiohttp`."""

WORDS = {
    Value.PROXY: "proxy",
    Value.NO_PROXY: "this machine, added",
    Value.ROOTS: "bundle",
    Value.CA: "ca",
    Value.ON: "1",
    Value.NODE: "our preload, added",
    Value.JAVA: "system properties, added",
}


def rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table under a heading, by variable."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section, f"no heading {heading}"
    found = {}
    for line in re.findall(r"^\| (`.*) \|$", section[1], re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")]
        found.update(dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), cells[1:]))
    return found


def test_every_variable_with_its_value() -> None:
    documented = {name: cells[0] for name, cells in rows("What is set").items()}
    assert documented.pop(ONLY_ON_DEMAND)
    assert documented == {name: WORDS[row.value] for row in TABLE for name in row.names}


def test_every_base_url() -> None:
    made, kept = base_urls("http://127.0.0.1:8080", {}, {})
    assert kept == []
    made.pop("LLMITM_REPLACED")
    documented = rows("Base URLs")
    assert list(documented) == list(made)
    for name, cells in documented.items():
        assert cells[0] in (f"`{made[name]}`", "the same")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)[)#]", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", TEXT))))
def test_anchors_lead_somewhere(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert anchor in made
