from __future__ import annotations

from pathlib import Path

import pytest

from llmitm.errors import SettingsError
from llmitm.modes import OFFLINE, RECORD, REPLAY, TTL, Modes, modes, seconds


@pytest.mark.parametrize(
    ("text", "found"),
    [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("7d", 604_800), ("365d", 31_536_000)],
)
def test_a_time_to_live(text: str, found: int) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "0", "m", "10 m", "1w", "-1", "1.5h", "366d", "python", "٣"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"allowed is a time such as 90, 10m"):
        seconds(text)


def test_nothing_is_asked() -> None:
    assert modes({}) == Modes()
    assert modes({OFFLINE: "0", TTL: "", RECORD: ""}) == Modes()


def test_what_is_asked() -> None:
    assert modes({TTL: "2h", OFFLINE: "1"}) == Modes(ttl=7200, offline=True)
    assert modes({RECORD: "/a/b"}) == Modes(record=Path("/a/b"))
    assert modes({REPLAY: "/a/b"}) == Modes(replay=Path("/a/b"))


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({TTL: "soon"}, r"LLMITM_CACHE_TTL = 'soon': allowed is a time"),
        ({OFFLINE: "yes"}, r"LLMITM_CACHE_OFFLINE = 'yes': allowed is 1 or 0"),
        ({RECORD: "a", REPLAY: "b"}, r"LLMITM_RECORD and LLMITM_REPLAY: only one of them"),
    ],
)
def test_what_is_wrong(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        modes(environ)
