"""Datasette opens the log with the metadata, and each of its queries finds something."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from exports.logs import records, write
from harness import until
from llmitm.cli import main
from llmitm.exports import datasette
from llmitm.home import Home
from receivers import free_port

_VALUES = {"spend_by_property": {"property": "Workflow"}, "search": {"words": "Rayleigh"}}


def get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            pytest.fail(f"{url}: {error.code} {error.read().decode()[:2_000]}")
    except OSError:
        return None


@pytest.fixture
def served(home: Home) -> Iterator[str]:
    """The address of a log in Datasette, as the verb says to open it."""
    write(home.database)
    path = home.folder / "metadata.yaml"
    assert main(["db", "datasette", "-o", str(path)]) == 0
    port = str(free_port())
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "datasette",
        str(home.database),
        "-m",
        str(path),
        "-p",
        port,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: get(f"{url}/-/versions.json"), seconds=60)
        yield f"{url}/{home.database.stem}"
    finally:
        process.terminate()
        process.wait(20)


def test_every_query_finds_something(home: Home, served: str) -> None:
    first = records(home.database, bodies=False)[0]["id"]
    values = {**_VALUES, "conversation": {"id": first}}
    for name in datasette.queries():
        query = urlencode({"_shape": "array", **values.get(name, {})})
        assert json.loads(get(f"{served}/{name}.json?{query}") or "null"), name
    assert "Spend by a property" in (get(served) or "")
    assert "A row a call." in (get(f"{served}/calls") or "")
    assert "support" in (get(f"{served}/spend_by_property?property=Workflow") or "")


def test_the_verb_prints_the_same(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    path = home.folder / "metadata.yaml"
    assert main(["db", "datasette", "-o", str(path)]) == 0
    assert f"datasette {home.database} -m {path}" in capsys.readouterr().err
    assert main(["db", "datasette"]) == 0
    assert capsys.readouterr().out == path.read_text("utf-8")
