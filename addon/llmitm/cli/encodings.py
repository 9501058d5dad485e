"""`llmitm encodings`: the token encodings that estimates are made with, where a provider gave no usage.

Nothing fetches them by itself; without them an estimate is a rule of thumb, and says so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from llmitm.encodings import SHA256, cache_name

if TYPE_CHECKING:
    from llmitm.home import Home


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `encodings` to the command line."""
    parser = subparsers.add_parser(
        "encodings", help="token encodings, for estimates", description=__doc__
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    listing = verbs.add_parser("ls", help="which are there")
    listing.set_defaults(run=_list)

    fetch = verbs.add_parser("fetch", help="get them: from OpenAI's server, or from a folder")
    fetch.add_argument(
        "--from",
        type=Path,
        dest="source",
        metavar="FOLDER",
        help="copy *.tiktoken files, or those of a tiktoken cache, from here; nothing is downloaded",
    )
    fetch.set_defaults(run=_fetch)


def present(place: Home) -> list[str]:
    """Return the names of the encodings that are there."""
    return [name for name in SHA256 if (place.encodings / cache_name(name)).is_file()]


def _list(arguments: argparse.Namespace) -> int:
    from llmitm.home import home

    place = home()
    found = present(place)
    for name in SHA256:
        print(f"{name:<12} {'there' if name in found else 'missing'}")
    return 0 if found else 1


def _fetch(arguments: argparse.Namespace) -> int:
    from llmitm.home import home

    place = home()
    place.create()
    place.encodings.mkdir(mode=0o700, exist_ok=True)
    if arguments.source is None:
        return _download(place)
    if not arguments.source.is_dir():
        print(f"llmitm: --from {arguments.source}: allowed is a folder", file=sys.stderr)
        return 2
    return _copy(place, arguments.source)


def _download(place: Home) -> int:
    """Let tiktoken do it: it knows the addresses, checks what comes, and keeps it where estimates look."""
    import tiktoken

    os.environ["TIKTOKEN_CACHE_DIR"] = str(place.encodings)
    for name in SHA256:
        try:
            tiktoken.get_encoding(name)
        except (OSError, ValueError) as error:
            # What the network says is a chain of errors; its last link is what happened.
            print(
                f"llmitm: {name} cannot be downloaded: {_root(error)}; "
                "bring the files yourself: llmitm encodings fetch --from FOLDER",
                file=sys.stderr,
            )
            return 1
        print(f"{name:<12} there")
    return 0


def _copy(place: Home, source: Path) -> int:
    from llmitm import files

    code = 1
    for name, expected in SHA256.items():
        candidates = (source / cache_name(name), source / f"{name}.tiktoken")
        path = next((each for each in candidates if each.is_file()), None)
        if path is None:
            print(f"{name:<12} not in {source}")
            continue
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            print(
                f"llmitm: {path}: is not {name}: its SHA-256 is {found}, allowed is {expected}",
                file=sys.stderr,
            )
            return 1
        files.replace(place.encodings / cache_name(name), data)
        print(f"{name:<12} copied from {path}")
        code = 0
    return code


def _root(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
