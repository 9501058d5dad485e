"""Which pictures there are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pictures import palette
from pictures.agents import SESSION

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE = (1280, 800)
"""Pixels of a picture of a page."""
MOST_BYTES = 150_000
COLUMNS = 108
"""Of the terminal."""


class Page(NamedTuple):
    """A page of the dashboard."""

    file: str
    path: str
    scheme: Literal["light", "dark"]


class Commands(NamedTuple):
    """What is typed in a terminal."""

    file: str
    title: str
    lines: Sequence[str]
    size: tuple[int, int]
    """Units of the drawing."""


PAGES = (
    Page("now-light.png", "/now?since=24h", "light"),
    Page("now-dark.png", "/now?since=24h", "dark"),
    Page("session.png", f"/runs/session/{SESSION}", "light"),
    Page("workflows.png", "/workflows?since=24h", "light"),
)
TERMINALS = (
    Commands(
        "terminal.svg",
        "llmitm",
        ("llmitm ls -n 12", "llmitm stats --by model --since 24h"),
        (1336, 831),
    ),
)


def wrong(folder: Path) -> list[str]:
    """Return what is wrong with the pictures in a folder: one is not there, not of its size, or too large."""
    stated = {page.file: SIZE for page in PAGES} | {each.file: each.size for each in TERMINALS}
    found = []
    for name, size in stated.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif (has := _size(path)) != size:
            found.append(f"{name} has the size {has}, not {size}")
        elif (large := path.stat().st_size) > MOST_BYTES:
            found.append(f"{name} has {large:,} bytes, more than {MOST_BYTES:,}")
    return found


def _size(path: Path) -> tuple[int, int]:
    if path.suffix == ".png":
        return palette.size(path.read_bytes())
    box = ElementTree.fromstring(path.read_text("utf-8")).attrib["viewBox"]
    _, _, width, height = (round(float(part)) for part in re.split(r"[ ,]+", box))
    return width, height
