"""`llmitm run`: start a program so that its LLM calls go through the proxy, and say at its end what they cost.

The program keeps the terminal, its standard input and its exit code; nothing of ours stands between.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from llmitm.cli.options import add_tags
from llmitm.errors import SettingsError

if TYPE_CHECKING:
    from types import FrameType

    from llmitm.calls import Json
    from llmitm.home import Home
    from llmitm.running import Running

_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
"""The terminal gives these to the program as well; a second one would be one too many."""

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, *_FROM_TERMINAL)

_DEFAULT_TTL = "7d"

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
"""As a shell has it."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `run` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run a program; its LLM calls are logged and priced",
        description=__doc__,
        usage="llmitm run [OPTIONS] -- COMMAND ...",
    )
    add_tags(parser)
    parser.add_argument(
        "--base-url",
        action="store_true",
        help="set base URLs instead of a proxy: for programs that use none, and without any CA",
    )
    parser.add_argument(
        "--aiohttp",
        action="store_true",
        help="make Python's aiohttp, which ignores proxy variables, use them",
    )
    parser.add_argument(
        "--no-bodies",
        action="store_true",
        help="keep tokens, cost and times, no prompts and answers",
    )
    _add_answering(parser)
    parser.add_argument(
        "--budget", metavar="USD", help="what this run may spend; calls beyond are refused"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing of our own")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS
    )
    parser.set_defaults(run=_run, parser=parser)


def _add_answering(parser: argparse.ArgumentParser) -> None:
    """Add where answers come from; each of these starts a proxy for this program alone."""
    group = parser.add_argument_group("where answers come from").add_mutually_exclusive_group()
    group.add_argument(
        "--cache",
        nargs="?",
        const=_DEFAULT_TTL,
        type=_ttl,
        metavar="TTL",
        help="keep answers and give them again, for so long: 90, 10m, 2h, 7d (as without it)",
    )
    group.add_argument(
        "--offline", action="store_true", help="from the cache only; a call that is not in it fails"
    )
    group.add_argument("--record", metavar="FILE", help="write all calls into a new file")
    group.add_argument(
        "--replay", metavar="FILE", help="from such a file only; a call that is not in it fails"
    )


def _ttl(text: str) -> str:
    from llmitm.modes import seconds

    try:
        seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; before a program's name write --") from None
    return text


def _answering(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the variables that tell a proxy where answers come from. Raises `SettingsError`."""
    from llmitm import modes

    told: dict[str, str] = {}
    if arguments.cache:
        told[modes.TTL] = arguments.cache
    if arguments.offline:
        told[modes.OFFLINE] = "1"
    if arguments.record:
        told[modes.RECORD] = _new_file(arguments.record)
    if arguments.replay:
        told[modes.REPLAY] = _old_file(arguments.replay)
    if told:
        # A socket has no one answer to a call; those who would use one use HTTP when it is refused.
        told["LLMITM_SOCKETS_REFUSE_RESPONSES"] = "true"
    return told


def _new_file(name: str) -> str:
    path = Path(name).absolute()
    if path.exists() and (not path.is_file() or path.stat().st_size):
        raise SettingsError(f"--record {name}: is there already; allowed is a new file")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise SettingsError(f"--record {name}: {path.parent} is no folder that can be written")
    return str(path)


def _old_file(name: str) -> str:
    path = Path(name).absolute()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise SettingsError(f"--replay {name}: is no file that can be read")
    return str(path)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm import tags
    from llmitm.home import home
    from llmitm.ids import new_id

    command = arguments.command
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        arguments.parser.error("which program? For example: llmitm run -- python my_app.py")
    place = home()
    is_first = not place.ca_certificate.exists()
    started = time.time()
    run_id = new_id(started)
    label = tags.encode(run_id, arguments.tags)
    special = _answering(arguments)
    if arguments.no_bodies:
        special["LLMITM_LOG_BODIES"] = "false"
    with _proxy(place, label, special) as running, _budget(run_id, arguments.budget):
        if is_first and not arguments.quiet:
            _introduce(place)
        environ, kept = _environment(place, running, run_id, label, arguments)
        if kept and not arguments.quiet:
            names = ", ".join(kept)
            print(
                f"llmitm: {names} of your own left as is; such calls are not logged",
                file=sys.stderr,
            )
        code = _child(command, environ, running.holds)
        refusals = _settle(running, started)
        budgets = _budgets(run_id)
    if not arguments.quiet:
        from llmitm.cli.summary import show

        show(place, run_id, arguments.tags, time.time() - started, refusals, budgets)
    return code


def _budget(run_id: str, limit: str | None) -> contextlib.AbstractContextManager[object]:
    """Give the run a budget of its own for as long as it lasts. Raises `LlmitmError`."""
    if limit is None:
        return contextlib.nullcontext()
    from llmitm.cli.budget.of_run import budget_of_run

    return budget_of_run(run_id, limit)


def _budgets(run_id: str) -> list[str]:
    """Return what is to be said of budgets at the end of a run."""
    from llmitm.home import home

    if not home().budgets.exists():
        return []
    from llmitm.cli.budget.of_run import lines

    return lines(run_id)


@contextlib.contextmanager
def _proxy(place: Home, label: str, special: Mapping[str, str]) -> Iterator[Running]:
    """Give the proxy that runs, or one of our own, which counts every call as this run's.

    What is `special` to this program are variables of settings, for which no proxy is used that others use.
    """
    from llmitm import running

    found = None if special else running.around(os.environ) or running.find(place)
    if found is not None:
        yield found
        return
    environ = {**os.environ, "LLMITM_LABEL": label, **special}
    with running.private(place, environ, ["--quiet"]) as own:
        yield own


def _environment(
    place: Home, running: Running, run_id: str, label: str, arguments: argparse.Namespace
) -> tuple[dict[str, str], list[str]]:
    """Return the program's environment, and which base URLs of the user's stay in it."""
    from llmitm.cli.options import trusted
    from llmitm.environment import base_urls, original, variables

    user = original(os.environ)
    if arguments.base_url:
        made, kept = base_urls(running.url, {**arguments.tags, "run_id": run_id}, user)
        return user | made, kept
    bundle = trusted(place, user)
    url = running.url_for(label)
    made = variables(url, place.ca_certificate, bundle, user, aiohttp=arguments.aiohttp)
    return user | made, []


def _child(command: list[str], environ: Mapping[str, str], inherited: int | None) -> int:
    """Run the program to its end and return its exit code, 128 + n where signal n ended it."""
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        elif not (number in _FROM_TERMINAL and _is_in_foreground()):
            child.send_signal(number)

    with _handling(pass_on):
        try:
            child = subprocess.Popen(
                command, env=environ, pass_fds=() if inherited is None else (inherited,)
            )
        except OSError as error:
            print(f"llmitm: {command[0]}: {error.strerror}", file=sys.stderr)
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        for number in early:
            pass_on(number, None)
        code = child.wait()
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    """Handle signals, but for those that whoever started us wants ignored, as `nohup` does."""
    before = {n: signal.getsignal(n) for n in _PASSED_ON if signal.getsignal(n) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _is_in_foreground() -> bool:
    """Tell whether the terminal sends its signals to our process group, and so to the program itself."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _settle(running: Running, started: float, seconds: float = 2) -> list[str]:
    """Wait until the program's calls are in the log; return who refused our certificate meanwhile."""
    deadline = time.monotonic() + seconds
    health = running.health()
    while _is_busy(health) and time.monotonic() < deadline:
        time.sleep(0.02)
        health = running.health()
    refusals = (health or {}).get("refusals") or []
    return sorted(
        {f"{each['client']} for {each['host']}" for each in refusals if each["at"] >= started}
    )


def _is_busy(health: dict[str, Json] | None) -> bool:
    return health is not None and bool(health.get("in_flight") or health.get("waiting"))


def _introduce(place: Home) -> None:
    print(
        "llmitm: decrypts calls to LLM hosts only; all else passes untouched.\n"
        f"llmitm: prompts, answers and costs go to {place.database}, on this machine and nowhere else.",
        file=sys.stderr,
    )
