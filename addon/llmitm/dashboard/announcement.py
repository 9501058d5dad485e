"""Where dashboards run, told to the proxy, which must not let anybody through to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llmitm.home import Home


def _folder(home: Home) -> Path:
    return home.folder / "dashboards"


@contextmanager
def announced(home: Home, port: int) -> Iterator[None]:
    """Say that a dashboard listens on a port, for the length of a block."""
    home.create()
    folder = _folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    mine = folder / str(port)
    mine.write_text(str(os.getpid()))
    try:
        yield
    finally:
        with suppress(OSError):
            mine.unlink()


def ports(home: Home) -> frozenset[int]:
    """Return the ports on which dashboards listen."""
    try:
        names = [each.name for each in _folder(home).iterdir()]
    except OSError:
        return frozenset()
    return frozenset(
        int(name) for name in names if name.isdecimal() and _runs(_folder(home) / name)
    )


def _runs(file: Path) -> bool:
    """Whether the process that listens is still there: one that was killed has left its file."""
    try:
        os.kill(int(file.read_text()), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True
