from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.wire import media
from wire.recordings_of_sound import flac, mp3, mp4, opus, wav, webm

FILES = {
    "wav": (wav(2.5), 2.5),
    "wav of unknown size": (wav(2.5, unknown_size=True), 2.5),
    "mp3": (mp3(100), 100 * 1152 / 44_100),
    "flac": (flac(90), 90),
    "opus": (opus(12), 12),
    "mp4": (mp4(3), 3),
    "webm": (webm(4.5), 4.5),
    "webm of a browser": (webm(4.5, live=True), 4.5),
}
STARTS = [content[:16] for content, _ in FILES.values()] + [b"ID3\x04", b"\xff\xfb\x90\x00"]


@pytest.mark.parametrize(("content", "length"), FILES.values(), ids=FILES)
def test_a_recording_tells_how_long_it_is(content: bytes, length: float) -> None:
    # A WAV without sizes also counts its head as sound.
    assert media.seconds(content) == pytest.approx(length, abs=0.02)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a recording", wav(0), mp4(0), webm(0)])
def test_what_tells_nothing_has_no_length(content: bytes) -> None:
    assert media.seconds(content) is None


def test_a_recording_that_was_cut_off_lasts_as_long_as_its_bytes() -> None:
    assert media.seconds(webm(4.5, live=True) + b"\xa3") == pytest.approx(4.5)
    assert media.seconds(mp3(200)[: 417 * 100]) == pytest.approx(100 * 1152 / 44_100, abs=0.03)


@settings(max_examples=300)
@given(st.sampled_from(list(FILES)), st.data())
def test_broken_files_do_not_raise(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name][0][:2_000])
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    length = media.seconds(bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert length is None or length > 0


@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_a_good_start_is_no_promise(start: bytes, rest: bytes) -> None:
    media.seconds(start + rest)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("filling", [b"\x00", b"\xff", b"\xff\xfb\x90\x00"])
def test_endless_junk_has_an_end(start: bytes, filling: bytes) -> None:
    began = perf_counter()
    media.seconds(start + filling * (20_000_000 // len(filling)))
    assert perf_counter() - began < 10


def test_the_reader_is_imported_when_it_is_needed() -> None:
    program = "import sys, llmitm.reading; print('tinytag' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n"
