"""docs/clients.md and the table of variables say the same."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from e2e.clients import PYTHON
from harness import ROOT
from llmitm.environment import TABLE, Value, base_urls
from llmitm.runtimes import RUNTIMES, Runtime
from programs.catalogue import PROGRAMS, Program

TEXT = (ROOT / "docs" / "clients.md").read_text("utf-8")
PACKAGE = ROOT / "tests" / "node" / "package.json"
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


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading}"
    return found[1]


def rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table under a heading, by variable."""
    found = {}
    for line in re.findall(r"^\| (`.*) \|$", section(heading), re.MULTILINE):
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


def marked(word: str) -> str:
    """Return the clients that were tried in one way."""
    lines = re.findall(rf"^\| (.*) \| .* \| {word} \|$", section("Tried"), re.MULTILINE)
    return "\n".join(lines)


@pytest.mark.parametrize("name", [*PYTHON.values(), "boto3", "instructor"])
def test_every_tested_library(name: str) -> None:
    assert re.search(rf"\b{re.sub('[._]', '[-_. ]', name)}\b", marked("tested")), name


@pytest.mark.parametrize("name", json.loads(PACKAGE.read_text("utf-8"))["dependencies"])
def test_every_tested_package(name: str) -> None:
    assert re.search(rf"(?<![\w/]){name}(?![\w/])", marked("tested")), name


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_of_the_doctor(runtime: Runtime) -> None:
    names = {"python3": "Python", "aws": "AWS command line"}
    assert names.get(runtime.name, runtime.name).lower() in marked("doctor").lower()


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program(program: Program) -> None:
    name = program.name.partition(",")[0]
    assert name in marked("clients").lower()
    assert re.search(rf"^\| (?:{name}|Claude Code|.*{name})\b", section("Programs"), re.M | re.I)


def test_codex_configuration() -> None:
    """What the page says to write is what was run."""
    blocks = re.findall(r"```toml\n(.*?)```", section("Programs"), re.DOTALL)
    files = [
        text for each in PROGRAMS if each.name.startswith("codex") for text in each.files.values()
    ]
    assert [*map(tomllib.loads, blocks)] == [*map(tomllib.loads, files)]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)[)#]", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", TEXT))))
def test_anchors_lead_somewhere(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert anchor in made
