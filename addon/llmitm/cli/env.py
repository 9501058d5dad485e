"""`llmitm env`: print what `llmitm run` would set, for a shell, a file, a container or a program."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from llmitm.cli.options import add_port, add_tags, trusted

if TYPE_CHECKING:
    from llmitm.home import Home
    from llmitm.running import Running

type Changes = Mapping[str, str | None]
"""What is to be set; None is to be unset."""

type Mounts = Mapping[Path, PurePosixPath]
"""Files of this machine: where a container has them."""

_FOLDER = PurePosixPath("/llmitm")
_HOST = "host.docker.internal"
"""This machine as a container calls it. On Linux it has to be told so."""

_USE = (
    'eval "$(llmitm env)"\n'
    "llmitm env -f fish | source\n"
    "llmitm env -f powershell | Out-String | Invoke-Expression\n"
    'eval "docker run $(llmitm env -f docker) IMAGE"'
)


def _sh(changes: Changes) -> str:
    return _lines(changes, lambda name, value: f"export {name}={shlex.quote(value)}", "unset {}")


def _fish(changes: Changes) -> str:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return _lines(changes, lambda name, value: f"set -gx {name} {quoted(value)}", "set -e {}")


def _powershell(changes: Changes) -> str:
    def assign(name: str, value: str) -> str:
        return f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'"

    return _lines(changes, assign, "Remove-Item Env:{} -ErrorAction SilentlyContinue")


def _dotenv(changes: Changes) -> str:
    def quoted(value: str) -> str:
        if "'" not in value:
            return f"'{value}'"
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'

    return _lines(changes, lambda name, value: f"{name}={quoted(value)}", "# {} was not set")


def _json(changes: Changes) -> str:
    return json.dumps(changes, indent=2) + "\n"


def _docker(changes: Changes, mounts: Mounts) -> str:
    words = [f"--add-host={_HOST}:host-gateway"]
    for file, place in mounts.items():
        words += ["-v", f"{file}:{place}:ro"]
    for name, value in changes.items():
        words += ["-e", f"{name}={value}"]
    return shlex.join(words) + "\n"


def _compose(changes: Changes, mounts: Mounts) -> str:
    lines = ["x-llmitm: &llmitm  # in a service: <<: *llmitm", "  environment:"]
    lines += [
        f"    {name}: {json.dumps(value).replace('$', '$$')}" for name, value in changes.items()
    ]
    lines += [
        "  volumes:",
        *(f"    - {json.dumps(f'{file}:{place}:ro')}" for file, place in mounts.items()),
    ]
    lines += ["  extra_hosts:", f"    - {_HOST}:host-gateway"]
    return "\n".join(lines) + "\n"


_FORMATS: dict[str, Callable[[Changes], str]] = {
    "sh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "dotenv": _dotenv,
    "json": _json,
}
_CONTAINERS: dict[str, Callable[[Changes, Mounts], str]] = {"docker": _docker, "compose": _compose}
_SHELLS = ("sh", "fish", "powershell")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `env` to the command line."""
    parser = subparsers.add_parser(
        "env",
        help="print the variables that make programs use the proxy",
        description=f"{__doc__}\n\n{_USE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = [*_FORMATS, *_CONTAINERS]
    parser.add_argument("-f", "--format", choices=formats, default="sh", help="default: sh")
    add_tags(parser)
    add_port(parser, "of the proxy; else that of the running one, or of the settings")
    parser.add_argument("--base-url", action="store_true", help="base URLs instead of a proxy")
    parser.add_argument("--aiohttp", action="store_true", help="with the shim for Python's aiohttp")
    parser.add_argument("--unset", action="store_true", help="put back what was there before")
    parser.set_defaults(run=_run, parser=parser)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.environment import original
    from llmitm.home import home

    user = original(os.environ)
    if arguments.unset:
        if arguments.format in _CONTAINERS:
            arguments.parser.error(f"--unset goes with {', '.join(_FORMATS)}")
        names = [name for name in os.environ if os.environ[name] != user.get(name)]
        print(_FORMATS[arguments.format]({name: user.get(name) for name in names}), end="")
        return 0
    place = home()
    running = _proxy(place, arguments.port)
    print(text(place, running, arguments, user), end="")
    return 0


def text(
    place: Home, running: Running, arguments: argparse.Namespace, user: Mapping[str, str]
) -> str:
    """Return what is to be set, in the form that is asked for; `user` is what was set before."""
    if container := _CONTAINERS.get(arguments.format):
        return container(*_for_container(place, running, arguments))
    return _FORMATS[arguments.format](_for_here(place, running, arguments, user))


def _proxy(place: Home, port: int | None) -> Running:
    from llmitm.running import Running, find
    from llmitm.settings import load

    found = Running(port) if port else find(place)
    if found is None:
        found = Running(load(place).proxy.port)
    if not found.health():
        print(f"llmitm: no proxy answers at {found.url}; start it: llmitm proxy", file=sys.stderr)
    return found


def _for_here(
    place: Home, running: Running, arguments: argparse.Namespace, user: Mapping[str, str]
) -> dict[str, str]:
    from llmitm.environment import REPLACED, base_urls, variables

    if arguments.base_url:
        made, _ = base_urls(running.url, arguments.tags, user)
    else:
        bundle = trusted(place, user)
        url = running.url_for(_userinfo(arguments.tags))
        made = variables(url, place.ca_certificate, bundle, user, aiohttp=arguments.aiohttp)
    if arguments.format not in _SHELLS:
        del made[REPLACED]
    return made


def _for_container(
    place: Home, running: Running, arguments: argparse.Namespace
) -> tuple[dict[str, str], Mounts]:
    from llmitm.bundle import java_store_path
    from llmitm.environment import PRELOAD, REPLACED, base_urls, variables

    inside = running._replace(host=_HOST)
    if arguments.base_url:
        made, _ = base_urls(inside.url, arguments.tags, {})
        mounts: Mounts = {}
    else:
        bundle = trusted(place, {})
        mounts = {
            place.ca_certificate: _FOLDER / "ca.pem",
            bundle: _FOLDER / "bundle.pem",
            java_store_path(bundle): _FOLDER / "bundle.p12",
            PRELOAD: _FOLDER / "preload",
        }
        ca, roots, _, preload = mounts.values()
        url = inside.url_for(_userinfo(arguments.tags))
        made = variables(url, ca, roots, {}, aiohttp=arguments.aiohttp, preload=preload)
    del made[REPLACED]
    return made, mounts


def _userinfo(tags: Mapping[str, str]) -> str:
    import time

    from llmitm.ids import new_id
    from llmitm.tags import encode

    return encode(new_id(time.time()), tags) if tags else ""


def _lines(changes: Changes, assign: Callable[[str, str], str], unset: str) -> str:
    lines = (
        unset.format(name) if value is None else assign(name, value)
        for name, value in changes.items()
    )
    return "".join(f"{line}\n" for line in lines)
