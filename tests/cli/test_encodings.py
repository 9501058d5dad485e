"""`llmitm encodings`: only files with the right content are taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from llmitm.cli import encodings, main
from llmitm.encodings import cache_name
from llmitm.home import Home

TEXT = b"aGVsbG8= 0\n"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file is an encoding: the real ones have megabytes, and are not ours to ship."""
    monkeypatch.setitem(encodings.SHA256, "r50k_base", hashlib.sha256(TEXT).hexdigest())


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", ["r50k_base.tiktoken", cache_name("r50k_base")])
def test_takes_both_names_of_a_file(
    name: str, home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(TEXT)
    assert main(["encodings", "ls"]) == 1
    assert main(["encodings", "fetch", "--from", str(tmp_path)]) == 0
    assert (home.encodings / cache_name("r50k_base")).read_bytes() == TEXT
    assert encodings.present(home) == ["r50k_base"]
    assert f"o200k_base   not in {tmp_path}" in capsys.readouterr().out
    assert main(["encodings", "ls"]) == 0


def test_refuses_other_content(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cl100k_base.tiktoken").write_bytes(TEXT)
    assert main(["encodings", "fetch", "--from", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "cl100k_base.tiktoken" in said
    assert encodings.SHA256["cl100k_base"] in said
    assert encodings.present(home) == []


def test_wants_a_folder(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encodings", "fetch", "--from", str(tmp_path / "none")]) == 2
    assert "allowed is a folder" in capsys.readouterr().err


def test_says_what_to_do_without_a_network(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert main(["encodings", "fetch"]) == 1
    said = capsys.readouterr().err
    assert "Connection refused" in said
    assert "llmitm encodings fetch --from FOLDER" in said


def test_the_checksums_are_tiktokens() -> None:
    openai_public = pytest.importorskip("tiktoken_ext.openai_public")
    source = Path(openai_public.__file__).read_text()
    assert [name for name, expected in encodings.SHA256.items() if expected not in source] == []
