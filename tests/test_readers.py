"""The reader of a home: its prices follow the user's own files, on the recorder's thread."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmitm.calls import Exchange, Finished
from llmitm.errors import SettingsError
from llmitm.home import Home
from llmitm.providers import hosts
from llmitm.readers import FollowingReader, reader
from llmitm.recorder import Recorder
from llmitm.settings import LogSettings
from llmitm_pricing import PriceTable
from llmitm_pricing.files import DATA

HOSTS = hosts.load()
LIST_PRICE = Decimal("0.15")
PATIENCE_SECONDS = 20

REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0},
}
KIND = ("content-type", "application/json")

_opened: list[tuple[str, str]] | None = None


def _note_opened(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str):
        _opened.append((arguments[0], threading.current_thread().name))


sys.addaudithook(_note_opened)  # for good: it cannot be taken off


@pytest.fixture
def opened() -> Iterator[list[tuple[str, str]]]:
    """The files that are opened from now on, each with the thread that did it."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


def exchange() -> Exchange:
    return Exchange(
        id="01J",
        started_at=1_795_000_000.0,
        method="POST",
        scheme="https",
        host="api.openai.com",
        port=443,
        path="/v1/chat/completions",
        request_headers=[KIND],
        request_body=json.dumps(REQUEST).encode(),
        status=200,
        response_headers=[KIND],
        chunks=[json.dumps(ANSWER).encode()],
        chunk_times=[1.0],
    )


def following(home: Home, look_seconds: float = 0.0) -> FollowingReader:
    return FollowingReader(
        reader(home, LogSettings(), HOSTS, keep_bodies=False), look_seconds=look_seconds
    )


def write(home: Home, text: str, provider: str = "openai") -> Path:
    home.prices.mkdir(exist_ok=True)
    path = home.prices / f"{provider}.toml"
    path.write_text(f'schema = 1\nprovider = "{provider}"\n{text}')
    return path


def discount(times: str) -> str:
    return f'[[modifier]]\nmodels = ["*"]\ntimes = {times}\n'


def usd(read: FollowingReader) -> Decimal | None:
    return read.read(exchange()).charge.usd


def test_prices_follow_the_users_files(home: Home) -> None:
    read = following(home)
    assert usd(read) == LIST_PRICE
    path = write(home, discount("0.5"))
    assert usd(read) == LIST_PRICE / 2
    write(home, discount("0.25"))
    assert usd(read) == LIST_PRICE / 4
    path.unlink()
    assert usd(read) == LIST_PRICE


def test_a_file_that_becomes_wrong_is_told_once(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    read = following(home)
    path = write(home, discount("0.5"))
    assert usd(read) == LIST_PRICE / 2
    assert caplog.messages == []
    write(home, discount("0"))
    assert [usd(read), usd(read)] == [LIST_PRICE / 2] * 2
    told = (
        f"llmitm: {path}:5: modifier > 1 > times: Input should be greater than 0 (is 0); "
        "its prices as they were before stay in force"
    )
    assert caplog.messages == [told]
    # Another file's change says nothing new of it; its own does.
    write(home, "", "mistral")
    assert usd(read) == LIST_PRICE / 2
    assert caplog.messages == [told]
    write(home, discount("0") + "\n")
    assert usd(read) == LIST_PRICE / 2
    assert caplog.messages == [told, told]
    write(home, discount("0.1"))
    assert usd(read) == LIST_PRICE / 10
    assert caplog.messages[2:] == [f"llmitm: {path} is right again, or gone"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_file_that_was_never_right_is_told_at_the_first_call(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(home, "colour = 1\n", "azure")
    read = following(home)
    assert usd(read) == LIST_PRICE
    assert caplog.messages == [
        f"llmitm: {path}:3: colour: no such key; calls to azure are unpriced until it is right"
    ]


def test_the_folder_is_looked_at_now_and_then(home: Home) -> None:
    read = following(home, look_seconds=3600)
    assert usd(read) == LIST_PRICE
    write(home, discount("0.5"))
    assert usd(read) == LIST_PRICE


def test_a_folder_that_is_none_is_told(home: Home) -> None:
    home.prices.write_text("")
    with pytest.raises(SettingsError, match="Not a directory"):
        following(home)


def test_price_files_are_read_on_the_recorders_thread(
    home: Home, tmp_path: Path, opened: list[tuple[str, str]]
) -> None:
    own = write(home, discount("0.5"))
    opened.clear()
    recorded: list[Finished] = []

    def threads(path: Path) -> set[str]:
        return {thread for file, thread in opened if Path(file) == path}

    recorder = Recorder.open(
        tmp_path / "llmitm.db", following(home), LogSettings(), recorded.extend
    )
    recorder.start()
    assert not any(file.endswith(".toml") for file, _ in opened)
    recorder.submit(exchange())
    assert recorder.flush(PATIENCE_SECONDS)
    assert recorder.close(PATIENCE_SECONDS)
    assert [call.charge.usd for call in recorded] == [LIST_PRICE / 2]
    assert threads(own) == threads(DATA / "openai.toml") == {"llmitm recorder"}
    # Only what a call needs.
    assert threads(DATA / "groq.toml") == set()
    assert "groq" in PriceTable.load().providers()
