"""docs/export.md and docs/import.md: their commands are there, and they name what is sent."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from exports.logs import records, write
from harness import ROOT
from llmitm.cli import make_parser
from llmitm.cli.export import _FORMS
from llmitm.exports.otlp import names
from llmitm.exports.prometheus import Metrics
from llmitm.home import Home
from llmitm.store.reader import reading

_PAGES = [ROOT / "docs" / "export.md", ROOT / "docs" / "import.md"]
EXPORT = _PAGES[0].read_text("utf-8")
_COMMANDS = [
    line
    for page in _PAGES
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("llmitm ")
]


def test_there_are_commands() -> None:
    assert len(_COMMANDS) == 12


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_command_is_understood(command: str) -> None:
    make_parser().parse_args(shlex.split(command)[1:])


def test_every_form_is_told() -> None:
    assert set(_FORMS) | {"otlp"} == set(re.findall(r"^\| `(\w+)` \|", EXPORT, re.MULTILINE))


def test_every_name_of_the_conventions_is_told(home: Home) -> None:
    write(home.database)
    told = set(re.findall(r"`((?:gen_ai|server|error|user|http)\.[\w.]+)`", EXPORT))
    sent = set(names.of_span(records(home.database)[0], content=True))
    assert {name for name in told if not name.startswith("gen_ai.client")} <= sent


def test_every_metric_of_prometheus_is_told(home: Home) -> None:
    write(home.database)
    with reading(home.database) as log:
        given = set(re.findall(r"^# TYPE (\w+)", Metrics().text(log), re.MULTILINE))
    assert given == set(re.findall(r"`(llmitm_\w+)`", EXPORT))


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link
