"""docs/cli.md is what the parser says, every option has a meaning, and every example is a command that is taken."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

import cli_doc
from llmitm.cli import make_parser
from llmitm.cli.examples import EXAMPLES

COMMANDS = [command for examples in EXAMPLES.values() for command, _ in examples]


def parsers(
    parser: argparse.ArgumentParser, path: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            named = {id(below): name for name, below in reversed(action.choices.items())}
            for name, below in action.choices.items():
                if named[id(below)] == name:  # not an alias
                    yield from parsers(below, f"{path} {name}")


ALL = dict(parsers(make_parser(), "llmitm"))


def test_the_page_is_what_the_parser_says() -> None:
    assert cli_doc.PAGE.read_text("utf-8") == cli_doc.page(), "scripts/cli-doc writes it anew"


@pytest.mark.parametrize("path", [path for path in ALL if path != "llmitm"])
def test_every_verb_is_documented_with_all_its_options(path: str) -> None:
    text = cli_doc.PAGE.read_text("utf-8")
    assert f"## `{path}`\n" in text
    for action in ALL[path]._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        assert action.help, f"{path} {action.option_strings or action.dest} has no help"
        for option in action.option_strings:
            assert option in ("-h", "--help") or f"`{option}`" in text


def test_every_verb_has_an_example() -> None:
    verbs = {path.split()[1] for path in ALL if path != "llmitm"}
    assert verbs == EXAMPLES.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_taken(command: str) -> None:
    inner = re.fullmatch(r'eval "\$\((.*)\)"', command)
    words = shlex.split(inner[1] if inner else command.partition(" < ")[0])
    assert words[0] == "llmitm"
    parsed = make_parser(words[1]).parse_args(words[1:])
    assert callable(parsed.run)


def test_a_verb_alone_is_parsed_as_among_all() -> None:
    words = ["stats", "--by", "user", "--json"]
    assert vars(make_parser("stats").parse_args(words)) == vars(make_parser().parse_args(words))
