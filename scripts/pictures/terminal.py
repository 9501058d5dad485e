"""What commands print on a terminal, as an SVG that loads nothing from elsewhere."""

from __future__ import annotations

import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from fcntl import ioctl
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from pictures.catalogue import COLUMNS, Commands

_LINES = 60
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace"
)
_PIECE = 65_536
_UNWANTED = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
"""A width or a wish in the environment would hold before the terminal's own."""


def draw(commands: Commands, path: Path, environment: Mapping[str, str]) -> None:
    """Run the commands and write their picture. Raises `subprocess.CalledProcessError`."""
    console = Console(
        record=True,
        width=COLUMNS,
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        legacy_windows=False,
    )
    for number, line in enumerate(commands.lines):
        if number:
            console.print()
        console.print(Text.assemble(("$ ", "bold green"), (line, "bold")))
        console.print(Text.from_ansi(printed(line, environment).rstrip("\n")), soft_wrap=True)
    svg = console.export_svg(
        title=commands.title, theme=MONOKAI, code_format=_FORMAT, unique_id="terminal"
    )
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", "utf-8")


def printed(line: str, environment: Mapping[str, str]) -> str:
    """Return what a command prints on a terminal of our width."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, COLUMNS, 0, 0))
    kept = {name: value for name, value in environment.items() if name not in _UNWANTED}
    kept |= {"TERM": "xterm-256color"}
    name, *options = shlex.split(line)
    words = [sys.executable, "-m", f"{name}.cli", *options]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, env=kept) as process:
        os.close(theirs)
        found = bytearray()
        try:
            while piece := os.read(ours, _PIECE):
                found += piece
        except OSError:  # Linux says so when nobody has the other end any more
            pass
        os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, line, bytes(found))
    return found.decode().replace("\r\n", "\n")
