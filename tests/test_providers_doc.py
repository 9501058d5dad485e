"""docs/providers.md: its table is the data's, and who follows its steps has two providers more.

Run as a program it writes what is made of data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmitm.providers import ratelimits
from llmitm.providers.hosts import ProviderEntry, known_providers

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "providers.md"
_BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)
_FAMILIES = re.compile(r"(?<=<!-- families -->).*?(?=<!-- end -->)")
_COPIED = ("addon", "pricing", "tests/providers", "tests/wire", "tests/conftest.py")
_MOST_HOSTS = 3


def table() -> str:
    """Return the table of all providers as it is to stand in the page."""
    lines = [
        "| provider | hosts | dialects | usage asked for | rate limits |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(entry) for entry in sorted(known_providers(), key=lambda each: each.name)]
    return "\n".join(lines) + "\n"


def rate_limit_families() -> str:
    """Return the families as the page is to name them."""
    return ", ".join(f"`{name}`" for name in ratelimits.families())


def _row(entry: ProviderEntry) -> str:
    hosts = ", ".join(f"`{host}`" for host in entry.hosts[:_MOST_HOSTS])
    if len(entry.hosts) > _MOST_HOSTS:
        hosts += f" and {len(entry.hosts) - _MOST_HOSTS} more"
    cells = (
        entry.name,
        hosts,
        ", ".join(entry.dialects),
        "yes" if entry.stream_usage else "",
        entry.rate_limits or "",
    )
    return f"| {' | '.join(cells)} |"


def test_the_table_is_that_of_the_data() -> None:
    match = _TABLE.search(PAGE.read_text("utf-8"))
    assert match, "the page has no place for a table"
    assert match[0] == table(), "python tests/test_providers_doc.py writes it"


def test_every_family_of_rate_limits_is_named() -> None:
    match = _FAMILIES.search(PAGE.read_text("utf-8"))
    assert match
    assert match[0] == rate_limit_families(), "python tests/test_providers_doc.py writes them"


@pytest.mark.parametrize("field", [name for name in ProviderEntry.model_fields if name != "name"])
def test_every_field_is_explained(field: str) -> None:
    assert re.search(rf"\b{field}\b", PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which somebody has done what the page says."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in (*_COPIED, "pyproject.toml"):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for kind, name, text in _BLOCK.findall(PAGE.read_text("utf-8")):
        _follow(kind, folder / name, text)
    return folder


def _follow(kind: str, path: Path, text: str) -> None:
    """Do what a block says: change a file, add to one that is there, or write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "diff":
        changed = path.read_text("utf-8")
        for hunk in text.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line.startswith(" "))
            assert changed.count(before) == 1, before
            changed = changed.replace(before, "".join(line[1:] for line in lines))
        path.write_text(changed, "utf-8")
    elif kind == "http":
        head, _, body = text.partition("\n\n")
        path.write_bytes((head.replace("\n", "\r\n") + "\r\n\r\n" + body).encode())
    else:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


def ran(copy: Path, *command: str) -> str:
    """Run Python in the copy, by its own sources, and return what it printed."""
    own = os.pathsep.join((str(copy / "addon"), str(copy / "pricing")))
    environment = {**os.environ, "PYTHONPATH": own, "LLMITM_HOME": str(copy / "home")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_samples_are_read(copy: Path) -> None:
    said = ran(copy, "-m", "pytest", "-q", "tests/providers/test_samples.py", "-k", "acme")
    assert re.search(r"[1-9]\d* passed", said), said


def test_the_calls_are_read_and_priced(copy: Path) -> None:
    said = ran(copy, "-m", "llmitm.cli", "explain", "--json", "call.jsonl")
    calls: list[dict[str, Any]] = list(map(json.loads, said.splitlines()))
    assert [(call["provider"], call["model"]) for call in calls] == [
        ("brightline", "bright-1"),
        ("acme", "anvil-2"),
    ]
    assert [call["cost_usd"] for call in calls] == ["0.0028", "0.00104"]
    page = PAGE.read_text("utf-8")
    assert all(call["cost_usd"] in page for call in calls)


def test_its_module_is_sound(copy: Path) -> None:
    ran(copy, "-m", "ruff", "check", "addon/llmitm/providers/acme.py")
    ran(copy, "-m", "ruff", "format", "--check", "addon/llmitm/providers")
    ran(copy, "-m", "mypy", "addon/llmitm/providers/acme.py")


if __name__ == "__main__":
    written = _TABLE.sub(lambda _: table(), PAGE.read_text("utf-8"))
    PAGE.write_text(_FAMILIES.sub(lambda _: rate_limit_families(), written), "utf-8")
