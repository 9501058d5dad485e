"""What several verbs need: tags on the command line, and the bundle for a child."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmitm.home import Home


class _AddTag(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, equals, value = str(values).partition("=")
        if not name:
            parser.error(f"{option_string} {values!r}: allowed is KEY=VALUE, or one word")
        tag = {name: value} if equals else {"tag": name}
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), **tag})


def add_tags(
    parser: argparse.ArgumentParser,
    meaning: str = "label every call, such as project=nightly; user and session are known keys",
) -> None:
    """Add `-t KEY=VALUE`; one word alone is the value of the key `tag`."""
    parser.add_argument(
        "-t",
        "--tag",
        action=_AddTag,
        dest="tags",
        default={},
        metavar="KEY=VALUE",
        help=meaning,
    )


def add_port(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add `-p PORT`."""
    parser.add_argument("-p", "--port", type=_port, help=meaning)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def trusted(place: Home, user: Mapping[str, str]) -> Path:
    """Return the bundle for a program whose environment is `user`, with what Java needs beside it.

    Raises `TrustError`.
    """
    from llmitm.bundle import bundle_for, java_store
    from llmitm.errors import TrustError

    if not place.ca_certificate.exists():
        from llmitm.providers import hosts
        from llmitm.settings import load
        from llmitm.trust import ensure

        ensure(place, hosts.load(load(place).provider).names())
    try:
        bundle = bundle_for(place, user)
        java_store(bundle)
    except OSError as error:
        raise TrustError(f"the bundle of roots cannot be made: {error}") from error
    return bundle
