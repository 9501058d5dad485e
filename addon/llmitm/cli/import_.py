"""`llmitm import`: calls that were made before llmitm was there, out of the files of other programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmitm.cli.output import calls, money, progress
from llmitm.errors import LlmitmError

if TYPE_CHECKING:
    from llmitm.calls import Exchange
    from llmitm.exchanges import Fault
    from llmitm.imports.base import Importer
    from llmitm.imports.writing import Result

_FAULTS_SHOWN = 5


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `import` to the command line."""
    parser = subparsers.add_parser(
        "import",
        help="calls made before: of Helicone, Claude Code, Codex",
        description=f"{__doc__} What is in the log already is left out, so it can be done again at any time.",
    )
    verbs = parser.add_subparsers(metavar="WHERE", required=True)
    helicone = verbs.add_parser(
        "helicone", help="what npx @helicone/export wrote: JSONL, JSON, CSV"
    )
    helicone.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV or JSON lines")
    helicone.set_defaults(run=_helicone)
    claude = verbs.add_parser("claude-code", help="the sessions of Claude Code on this machine")
    claude.add_argument(
        "places", nargs="*", type=Path, metavar="DIR", help="else ~/.claude/projects; files too"
    )
    claude.set_defaults(run=_claude_code)
    codex = verbs.add_parser("codex", help="the sessions of Codex on this machine")
    codex.add_argument(
        "places", nargs="*", type=Path, metavar="DIR", help="else ~/.codex/sessions; files too"
    )
    codex.set_defaults(run=_codex)


def _helicone(arguments: argparse.Namespace) -> int:
    from llmitm.imports import helicone

    return _import(arguments.files, helicone.read)


def _claude_code(arguments: argparse.Namespace) -> int:
    from llmitm.imports import claude_code

    own = os.environ.get("CLAUDE_CONFIG_DIR")
    places = arguments.places or [
        Path(own) / "projects" if own else claude_code.folder(Path.home())
    ]
    return _import(_files(places, claude_code.PATTERN), claude_code.read)


def _codex(arguments: argparse.Namespace) -> int:
    from llmitm.imports import codex

    own = os.environ.get("CODEX_HOME")
    places = arguments.places or [Path(own) / "sessions" if own else codex.folder(Path.home())]
    return _import(_files(places, codex.PATTERN), codex.read)


def _files(places: Sequence[Path], pattern: str) -> list[Path]:
    from llmitm.imports.base import within

    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise LlmitmError(f"{place}: there is no such folder; another one can be named")
        found += within(place, pattern) if place.is_dir() else [place]
    return found


def _import(files: Sequence[Path], importer: Importer) -> int:
    from llmitm.home import home
    from llmitm.imports.writing import write
    from llmitm.settings import load

    for file in files:
        if not file.is_file():
            raise LlmitmError(f"{file}: there is no such file")
    place = home()
    whole = sum(file.stat().st_size for file in files)
    with progress(whole, "importing") as advance:
        result = write(place, load(place), _items(files, importer, advance))
    return _tell(result)


def _items(
    files: Sequence[Path], importer: Importer, advance: Callable[[int], None]
) -> Iterator[Exchange | Fault]:
    """Yield what is in the files, and tell how many bytes are done."""
    from llmitm.exchanges import Fault

    for path in files:
        done = 0
        try:
            with path.open("rb") as file:
                for item in importer(file, str(path)):
                    yield item
                    read = file.tell()
                    advance(read - done)
                    done = read
        except OSError as error:
            yield Fault(str(path), f"cannot be read: {error.strerror}")


def _tell(result: Result) -> int:
    from llmitm.money import nano

    for fault in result.faults[:_FAULTS_SHOWN]:
        print(f"llmitm: {fault.place}: {fault.reason}", file=sys.stderr)
    if len(result.faults) > _FAULTS_SHOWN:
        print(f"llmitm: and {len(result.faults) - _FAULTS_SHOWN} more", file=sys.stderr)
    words = [f"{calls(result.added)} imported", money(nano(result.usd))]
    if result.unpriced:
        words.append(f"{result.unpriced} unpriced")
    if result.known:
        words.append(f"{calls(result.known)} in the log already")
    if result.faults:
        words.append(f"{len(result.faults)} not understood")
    print(" · ".join(words))
    return 1 if result.faults else 0
