"""The command line. It starts fast: verbs import what is heavy only when they run, and the proxy is another process."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from llmitm import __version__
from llmitm.errors import LlmitmError, ProxyError, SettingsError

_VERBS = {
    "capture": ("run", "proxy", "env", "demo"),
    "look": (
        *("ls", "show", "stats", "users", "sessions", "threads", "workflows", "top"),
        *("limits", "retries", "dashboard", "explain"),
    ),
    "control": ("price", "budget", "alert", "runaways", "resume"),
    "keep": (
        *("db", "export", "import", "cache", "ca"),
        *("doctor", "encodings", "statusline", "completions"),
    ),
}
"""Each verb is a module of this package that has `register`."""
_MODULES = {"import": "import_"}
"""Verbs that are no names in Python."""

_EXIT_CODES = {SettingsError: 2, ProxyError: 3}

_FIRST_STEPS = """\
Nothing is logged yet. Run a program through llmitm, as it is:

  llmitm run -- python my_app.py      its LLM calls are logged and priced
  llmitm demo                         or see it work without a key

Help: llmitm --help"""


class _Parser(argparse.ArgumentParser):
    """Prints the verbs in groups."""

    groups: dict[str, list[tuple[str, str]]]

    def format_help(self) -> str:
        width = max((len(name) for verbs in self.groups.values() for name, _ in verbs), default=0)
        lines = ["LLM in the middle: see, price and log every LLM call of a program.", ""]
        lines += ["usage: llmitm [VERB] [OPTIONS]     llmitm VERB --help", ""]
        for group, verbs in self.groups.items():
            if verbs:
                lines += [group, *(f"  {name:<{width}}  {text}" for name, text in verbs), ""]
        lines.append(
            "Without a verb: today at a glance. Files are in ~/.llmitm, or where LLMITM_HOME says."
        )
        return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `llmitm` and return its exit code: 0 ok, 1 finding, 2 usage, 3 no proxy; `run` gives its program's own."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser(given[0] if given else None)
    parsed = parser.parse_args(given)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()  # at exit it would be too late to say nothing of a reader that is gone
        return code
    except LlmitmError as error:
        print(f"llmitm: {error}", file=sys.stderr)
        return next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), 1)
    except BrokenPipeError:  # `llmitm ls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def make_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all verbs, or one that knows no more than the verb that was given."""
    from llmitm.cli.examples import EXAMPLES, epilog

    parser = _Parser(prog="llmitm")
    parser.add_argument("--version", action="version", version=f"llmitm {__version__}")
    parser.set_defaults(run=_overview)
    # A verb's own parser prints its options in the usual way.
    subparsers = parser.add_subparsers(metavar="VERB", parser_class=argparse.ArgumentParser)
    parser.groups = {}
    known = any(only in verbs for verbs in _VERBS.values())
    for group, verbs in _VERBS.items():
        parser.groups[group] = []
        for verb in verbs:
            if known and verb != only:
                continue
            importlib.import_module(f"{__name__}.{_MODULES.get(verb, verb)}").register(subparsers)
            parser.groups[group].append((verb, _help(subparsers, verb)))
            made = subparsers.choices[verb]
            made.formatter_class = argparse.RawDescriptionHelpFormatter
            made.epilog = epilog(EXAMPLES.get(verb, ()))
    return parser


def _help(subparsers: argparse._SubParsersAction[Any], verb: str) -> str:
    return next(str(action.help) for action in subparsers._get_subactions() if action.dest == verb)


def _overview(arguments: argparse.Namespace) -> int:
    from llmitm.home import home

    place = home()
    if not place.database.exists():
        print(_FIRST_STEPS)
        return 0
    from llmitm.cli.overview import show

    return show(place)
