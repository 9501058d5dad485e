"""`scripts/screenshots`: the pictures that the documentation names are there, and are made as is said."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import ROOT
from llmitm.home import Home
from llmitm.store.filters import Filter
from llmitm.store.reader import reading
from pictures import invented, palette
from pictures.agents import SESSION
from pictures.catalogue import FOLDER, PAGES, TERMINALS, wrong
from pictures.terminal import draw
from store.records import START

PATHS = [str(ROOT / each) for each in ("scripts", "addon", "pricing", "tests")]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
NAMED = re.compile(
    r'!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]+)\)|<img\b[^>]*?\bsrc="(?P<src>[^"]+)"|<source\b[^>]*?\bsrcset="(?P<set>[^"]+)"'
)


def test_the_pictures_are_as_stated() -> None:
    assert wrong(FOLDER) == []


def test_a_picture_that_is_not_as_stated_is_told(tmp_path: Path) -> None:
    assert f"{PAGES[0].file} is missing" in wrong(tmp_path)
    (tmp_path / PAGES[0].file).write_bytes(_png(3, 2, [0, 1], bytes(18)))
    assert f"{PAGES[0].file} has the size (3, 2), not (1280, 800)" in wrong(tmp_path)


def test_documents_name_pictures_that_are_there_and_all_of_them() -> None:
    named = set()
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for found in NAMED.finditer(text):
            place = found["path"] or found["src"] or found["set"]
            path = (document.parent / place).resolve()
            assert path.is_file(), f"{document.name} names {place}"
            named.add(path)
        for image in re.findall(r"<img\b[^>]*>", text):
            assert re.search(r'\balt="[^"]+"', image), f"{document.name}: {image} has no alt"
        assert "![](" not in text
    assert named == set(FOLDER.iterdir())
    assert {path.name for path in named} == {each.file for each in (*PAGES, *TERMINALS)}


def test_the_terminal_is_drawn_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    invented.write(home.database, START)
    environment = {**os.environ, "LLMITM_HOME": str(tmp_path), "TZ": "UTC", "COLUMNS": "40"}
    drawn = tmp_path / "drawn.svg"
    draw(TERMINALS[0]._replace(lines=("llmitm ls -n 3", "llmitm stats")), drawn, environment)
    text = drawn.read_text("utf-8")
    said = "".join(ElementTree.fromstring(text).itertext()).replace("\xa0", " ")
    assert "$ llmitm ls -n 3" in said
    assert "claude-opus-4-6" in said
    assert "url(" not in text.replace("url(#", "")
    with pytest.raises(subprocess.CalledProcessError):
        draw(TERMINALS[0]._replace(lines=("llmitm ls --model",)), drawn, environment)


def test_the_log_is_the_same_each_time(tmp_path: Path) -> None:
    sums = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.db"
        invented.write(path, START)
        with reading(path) as log:
            sums.append(log.sums(Filter(), ["hour", "model", "user"], utc=True))
            (session,) = log.sums(Filter(session=SESSION))
    assert sums[0] == sums[1]
    assert session.calls == 44
    assert not any(each.unpriced for each in sums[0])


def test_without_chromium_it_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(PATHS)}
    ended = subprocess.run(
        [sys.executable, "-m", "pictures", "--into", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "needs Chromium and its driver" in ended.stderr
    assert not list(tmp_path.iterdir())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_few_colours_stay_as_they_are(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    filters = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    pixels = data.draw(st.binary(min_size=width * height * 3, max_size=width * height * 3))
    assert _shown(palette.reduced(_png(width, height, filters, pixels))) == pixels


def test_many_colours_become_256_that_are_near() -> None:
    pixels = bytes(part for at in range(64 * 64) for part in (at % 64 * 4, at // 64 * 4, 128))
    shown = _shown(palette.reduced(_png(64, 64, [0] * 64, pixels)))
    colours = set(zip(shown[::3], shown[1::3], shown[2::3], strict=True))
    assert 200 < len(colours) <= 256
    assert max(abs(one - other) for one, other in zip(pixels, shown, strict=True)) < 40


def test_what_is_no_png_is_refused() -> None:
    with pytest.raises(ValueError, match="no PNG"):
        palette.reduced(b"GIF89a" + bytes(40))


def _png(width: int, height: int, filters: list[int], pixels: bytes) -> bytes:
    """Return a picture of three bytes a pixel, each row with its filter."""
    lines, above = [], bytes(width * 3)
    for kind, start in zip(filters, range(0, len(pixels), width * 3), strict=False):
        row = pixels[start : start + width * 3]
        lines.append(bytes([kind]) + _filtered(kind, row, above))
        above = row
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def _filtered(kind: int, row: bytes, above: bytes) -> bytes:
    found = bytearray()
    for at, value in enumerate(row):
        a, b = row[at - 3] if at > 2 else 0, above[at]
        c = above[at - 3] if at > 2 else 0
        nearest = min((a, b, c), key=lambda each: abs(a + b - c - each))
        found.append((value - (0, a, b, (a + b) // 2, nearest)[kind]) & 255)
    return bytes(found)


def _shown(png: bytes) -> bytes:
    """Return the pixels of a picture that has a palette and no filters."""
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        body = png[at + 8 : at + 8 + length]
        (sum_,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert sum_ == zlib.crc32(png[at + 4 : at + 8] + body)
        chunks[png[at + 4 : at + 8]] = body
        at += length + 12
    width, _, _, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert kind == 3
    colours, data = chunks[b"PLTE"], zlib.decompress(chunks[b"IDAT"])
    rows = (data[start + 1 : start + 1 + width] for start in range(0, len(data), width + 1))
    return b"".join(colours[index * 3 : index * 3 + 3] for row in rows for index in row)
