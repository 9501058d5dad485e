"""`llmitm ca`: the certificate authority that can sign for LLM hosts and nothing else."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmitm.home import Home


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `ca` to the command line."""
    parser = subparsers.add_parser("ca", help="our certificate authority", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    show = verbs.add_parser("show", help="where it is and what it can sign for")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)

    path = verbs.add_parser("path", help="print the certificate's path")
    path.add_argument("--bundle", action="store_true", help="that of all roots with ours")
    path.set_defaults(run=_path)

    add = verbs.add_parser(
        "add-host", help="add an LLM host of your own to the settings and the CA"
    )
    add.add_argument("host", help="a name, an address, or a pattern such as *.llm.example.com")
    add.add_argument(
        "--provider",
        help="its provider's name; a known one lends its dialects. Else made from the host",
    )
    add.set_defaults(run=_add_host)

    rotate = verbs.add_parser("rotate", help="make a CA with a new key")
    rotate.set_defaults(run=_rotate)

    remove = verbs.add_parser("remove", help="delete the CA, its key and all bundles")
    remove.set_defaults(run=_remove)


def _names(place: Home) -> list[str]:
    from llmitm.providers import hosts
    from llmitm.settings import load

    return hosts.load(load(place).provider).names()


def _ensured() -> Home:
    from llmitm.home import home
    from llmitm.trust import ensure

    place = home()
    ensure(place, _names(place))
    return place


def _path(arguments: argparse.Namespace) -> int:
    place = _ensured()
    print(place.bundle if arguments.bundle else place.ca_certificate)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from cryptography.hazmat.primitives import hashes

    from llmitm.trust import allow, read

    place = _ensured()
    authority = read(place)
    assert authority is not None  # it has just been ensured
    allowed = allow(_names(place))
    about = {
        "certificate": str(place.ca_certificate),
        "bundle": str(place.bundle),
        "key": str(place.ca / "mitmproxy-ca.pem"),
        "valid_until": authority.certificate.not_valid_after_utc.date().isoformat(),
        "sha256": authority.certificate.fingerprint(hashes.SHA256()).hex(":"),
    }
    signs_for = [*allowed.suffixes, *map(str, allowed.networks)]
    if arguments.json:
        print(json.dumps({**about, "signs_for": signs_for}, indent=2))
        return 0
    for name, value in about.items():
        print(f"{name.replace('_', ' '):<12} {value}")
    print("signs for    these, what is below them, and nothing else:")
    print("\n".join(f"  {name}" for name in signs_for))
    return 0


def _add_host(arguments: argparse.Namespace) -> int:
    from llmitm import files
    from llmitm.home import home
    from llmitm.providers import hosts
    from llmitm.settings import load, parse
    from llmitm.trust import allow, ensure

    place = home()
    table = hosts.load(load(place).provider)
    host = arguments.host
    if host.lower() in table.names():
        print(f"{host} is an LLM host already")
        return 0
    name = arguments.provider or re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    entry = f"[[provider]]\nname = {json.dumps(name)}\nhosts = [{json.dumps(host)}]\n"
    before = place.settings.read_text("utf-8") if place.settings.exists() else ""
    text = before + ("\n" if before else "") + entry
    added = hosts.load(parse(place.settings, text).provider)
    allow(added.names())
    place.create()
    files.replace(place.settings, text.encode())
    ensure(place, added.names())
    print(f"added {host} as {name} to {place.settings}; start the proxy and your programs again")
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.trust import rotate

    place = home()
    rotate(place, _names(place))
    print(f"{datetime.now(UTC):%Y-%m-%d}: new key; start the proxy and your programs again")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from llmitm.errors import TrustError
    from llmitm.home import home
    from llmitm.running import find
    from llmitm.trust import remove

    place = home()
    if found := find(place):
        raise TrustError(f"a proxy runs at {found.url}; end it first")
    for path in remove(place):
        print(f"removed {path}", file=sys.stderr)
    return 0
