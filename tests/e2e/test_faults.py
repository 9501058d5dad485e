"""Whatever breaks on our side, the client's bytes are those it would have had, and something says what was lost."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.large import ANSWER, LARGE, Taker, blocks, digest
from e2e.load import ask, connected
from e2e.peers import HOST, Upstream, client
from harness import ProxyProcess, running_proxy, until
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home
from llmitm.providers.hosts import load
from llmitm.trust import ensure

CASES = [("a question", False), ("a streamed question", True)]


def answers(proxy: ProxyProcess) -> list[bytes]:
    with connected(proxy) as connection:
        return [ask(connection, prompt, stream=stream) for prompt, stream in CASES]


@pytest.fixture(scope="module")
def expected(
    local_provider: LocalProvider, tmp_path_factory: pytest.TempPathFactory
) -> list[bytes]:
    """What the client gets when nothing is wrong."""
    folder = Home(tmp_path_factory.mktemp("well") / "llmitm")
    with running_proxy("llmitm", folder, local_provider) as proxy:
        got = answers(proxy)
        proxy.wait_for_rows(len(CASES))
    assert b"[DONE]" in got[1]
    return got


def counter(proxy: ProxyProcess, *names: str) -> int:
    return sum(proxy.health()["counters"][name] for name in names)


def test_a_damaged_database(
    local_provider: LocalProvider, tmp_path: Path, expected: list[bytes]
) -> None:
    folder = Home(tmp_path / "llmitm")
    with running_proxy("llmitm", folder, local_provider) as proxy:
        assert answers(proxy) == expected
        proxy.wait_for_rows(len(CASES))
    with folder.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (folder.database.stat().st_size - 4096))
    with running_proxy("llmitm", folder, local_provider) as proxy:
        assert answers(proxy) == expected
        until(lambda: counter(proxy, "store_faults", "lost_calls"), proxy.said)
        assert "the log cannot be written" in proxy.said()


def test_a_locked_database_is_waited_for(
    local_provider: LocalProvider, tmp_path: Path, expected: list[bytes]
) -> None:
    folder = Home(tmp_path / "llmitm")
    with running_proxy("llmitm", folder, local_provider) as proxy:
        assert answers(proxy) == expected
        before = len(proxy.wait_for_rows(len(CASES)))
        with contextlib.closing(sqlite3.connect(folder.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert answers(proxy) == expected
            until(lambda: counter(proxy, "store_faults"), proxy.said, seconds=30)
            other.execute("ROLLBACK")
        proxy.wait_for_rows(before + len(CASES), seconds=30)
        assert counter(proxy, "lost_calls", "dropped_calls") == 0


_LIMITED = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
sys.argv = sys.argv[1:]
runpy.run_module("llmitm.mitm", run_name="__main__", alter_sys=True)
"""


def test_a_full_disk(
    local_provider: LocalProvider,
    tmp_path: Path,
    expected: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import harness

    command = harness._command
    monkeypatch.setattr(
        harness,
        "_command",
        lambda *arguments: [
            sys.executable,
            "-c",
            _LIMITED,
            "llmitm.mitm",
            *command(*arguments)[3:],
        ],
    )
    folder = Home(tmp_path / "llmitm")
    with running_proxy("llmitm", folder, local_provider) as proxy:
        number = 0
        with connected(proxy) as connection:
            while not counter(proxy, "store_faults"):
                number += 1
                assert number < 500, "the disk never became full"
                assert b"chat.completion" in ask(connection, f"{number} " + "x" * 5000)
        assert answers(proxy) == expected


def test_a_folder_that_cannot_be_written(
    local_provider: LocalProvider, tmp_path: Path, expected: list[bytes]
) -> None:
    folder = Home(tmp_path / "llmitm")
    folder.create()
    folder.database.mkdir()  # root may write anything, but nobody can open a folder as a database
    with running_proxy("llmitm", folder, local_provider) as proxy:
        assert answers(proxy) == expected
        until(lambda: counter(proxy, "store_faults"), proxy.said)


def test_a_broken_price_file(
    local_provider: LocalProvider, tmp_path: Path, expected: list[bytes]
) -> None:
    folder = Home(tmp_path / "llmitm")
    folder.create()
    folder.prices.mkdir()
    (folder.prices / "openai.toml").write_text("this is = = no TOML")
    with running_proxy("llmitm", folder, local_provider) as proxy:
        assert answers(proxy) == expected
        rows = proxy.wait_for_rows(len(CASES))
    assert [row["cost_nanousd"] for row in rows] == [None, None]
    assert all("openai.toml" in row["unpriced_reason"] for row in rows)


_BREAKS = {
    "a dialect": "from llmitm.providers.openai_chat import OpenAIChat as broken; name = 'answer'",
    "the reader": "from llmitm import reading as broken; name = '_outcome'",
    "the tap's hook": "from llmitm.mitm.intercept import Intercept as broken; name = '_tags'",
    "the store": "from llmitm.store.writer import Writer as broken; name = 'write'",
}


_RAISES = """
def raises(*_, **__): raise ValueError("broken on purpose")
setattr(broken, name, raises)
"""


@pytest.mark.parametrize("part", _BREAKS)
def test_a_part_that_raises(
    part: str, local_provider: LocalProvider, tmp_path: Path, expected: list[bytes]
) -> None:
    script = tmp_path / "break.py"
    script.write_text(f"{_BREAKS[part]}\n{_RAISES}")
    folder = Home(tmp_path / "llmitm")
    ensure(folder, load().names())
    with running_proxy("addon", folder, local_provider, more=("-s", str(script))) as proxy:
        assert answers(proxy) == expected
        until(lambda: _says_so(proxy), lambda: f"{proxy.health()} {proxy.said()}")


_UPLOAD_BREAKS = {
    "what is kept": "from llmitm.wire.uploads import Kept as broken; name = 'feed'",
    "its end": "from llmitm.mitm.tee import RequestTee as broken; name = 'settle'",
    "the choice": "from llmitm.policy import bodies as broken; name = 'kept_of_request'",
    "the reader": "from llmitm import reading as broken; name = '_prompt'",
}


@contextlib.contextmanager
def uploading(script: str, folder: Path) -> Iterator[tuple[ProxyProcess, list[str]]]:
    """A proxy with a part broken by `script`, before and after a large upload has passed; and its digest."""
    upstream = Upstream(folder, ["http/1.1"])
    taker = Taker()
    breaking = folder / "break.py"
    breaking.write_text(script)
    with running_proxy(
        "addon", Home(folder / "llmitm"), upstream, more=("-s", str(breaking))
    ) as proxy:
        with upstream.serving(taker), client(proxy) as wire:
            head = f"POST /v1/files HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {LARGE}\r\n\r\n"
            wire.send(head.encode())
            for piece in blocks(LARGE):
                wire.send(piece)
            assert wire.body(wire.head()[1]) == ANSWER
        yield proxy, taker.digests
    upstream.close()


@pytest.mark.parametrize("part", _UPLOAD_BREAKS)
def test_a_part_that_raises_while_a_large_body_passes(part: str, tmp_path: Path) -> None:
    script = f"{_UPLOAD_BREAKS[part]}\n{_RAISES}"
    with uploading(script, tmp_path) as (proxy, digests):
        assert digests == [digest()]
        until(lambda: _says_so(proxy), lambda: f"{proxy.health()} {proxy.said()}")


_FULL = """
from mitmproxy import ctx

def running():
    ctx.master.addons.get("intercept")._submit.__self__._most_bytes = 1000
"""


def test_a_queue_that_is_full_while_a_large_body_passes(tmp_path: Path) -> None:
    with uploading(_FULL, tmp_path) as (proxy, digests):
        assert digests == [digest()]
        (row,) = proxy.wait_for_rows(1)
        assert "too much was waiting for the log" in row["notes"]
        assert row["status"] == 200
        assert counter(proxy, "dropped_bodies") == 1


def _says_so(proxy: ProxyProcess) -> bool:
    health = proxy.health()
    counted = any(
        health["counters"][name] for name in ("read_faults", "store_faults", "lost_calls")
    )
    noted = any("broken on purpose" in (row["notes"] or "") for row in proxy.all_rows())
    return counted or noted or bool(health["faults"])
