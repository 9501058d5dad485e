"""Write docs/cli.md out of the parser: every verb, every option, and examples that a test runs past the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from llmitm.cli import _VERBS, make_parser
from llmitm.cli.examples import EXAMPLES
from llmitm.cli.filtering import add_filters

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"

_INTRODUCTION = """\
# The command line

This page is written by `scripts/cli-doc` out of the program itself. `llmitm VERB --help` says the same.

![A terminal with the latest calls from `llmitm ls`, and below what each model cost from `llmitm stats`](images/terminal.svg)

Without a verb `llmitm` shows today at a glance. Tables are drawn on a terminal; a pipe gets the same columns between
tabs, without headings. `--json`, `--jsonl` and `--csv` are there on every report; their fields have the names that the
columns of the log have ([database.md](database.md)), and money in them is in nano-dollars, so that no digit is lost.
`NO_COLOR` is kept. Whatever models or users wrote is shown with its control characters spelled out, so nothing in an answer can move
the cursor, change a title or turn text around; `--raw` into a file gives it as it is.

A call is named by its id, by an unambiguous end of it, by `last`, or by `@3` for the third latest. Exit codes: 0 ok, 1 a finding or an
error, 2 wrong usage or settings, 3 no proxy; `llmitm run` gives its program's own.
"""
_A_FILTER = "--min-cost"
"""What has this option has all filters."""
_FILTERS = """\
## The filters

The same in every report that names them, and they can be put together:
"""


def page() -> str:
    """Return the page."""
    parser = make_parser()
    verbs = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in verbs._get_subactions()}
    filters = argparse.ArgumentParser(add_help=False)
    add_filters(filters)
    lines = [_INTRODUCTION]
    for group, names in _VERBS.items():
        linked = " · ".join(f"[`{name}`](#llmitm-{name})" for name in names)
        lines += [f"**{group}**: {linked}", ""]
    lines += [_FILTERS, *_options(filters, set()), ""]
    common = {option for action in filters._actions for option in action.option_strings}
    for names in _VERBS.values():
        for name in names:
            lines += _verb(f"llmitm {name}", verbs.choices[name], helps[name], common, "##")
            if examples := EXAMPLES.get(name):
                width = max(len(command) for command, _ in examples)
                lines += [
                    "```sh",
                    *(f"{command:<{width}}  # {what}" for command, what in examples),
                    "```",
                    "",
                ]
    return "\n".join(lines).rstrip() + "\n"


def _verb(
    name: str, parser: argparse.ArgumentParser, meaning: str, common: set[str], heading: str
) -> Iterator[str]:
    yield f"{heading} `{name}`"
    yield ""
    yield _sentence(parser.description if heading == "##" and parser.description else meaning)
    yield ""
    own = {option for action in parser._actions for option in action.option_strings}
    filtered = _A_FILTER in own
    options = list(_options(parser, common if filtered else set()))
    if options:
        yield from options
        yield ""
    if filtered:
        yield "And [the filters](#the-filters)."
        yield ""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._get_subactions()}
            for inner, below in action.choices.items():
                yield from _verb(f"{name} {inner}", below, helps[inner], common, "###")


def _options(parser: argparse.ArgumentParser, common: set[str]) -> Iterator[str]:
    """Yield a table of a parser's options, without those that all have in common."""
    rows = []
    for action in parser._actions:
        hidden = isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
        if hidden or action.help == argparse.SUPPRESS or set(action.option_strings) & common:
            continue
        names = ", ".join(f"`{each}`" for each in action.option_strings)
        if not names:
            names = f"`{action.metavar or action.dest}`"
        elif action.nargs != 0:
            value = action.metavar or (
                "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
            )
            names += f" `{value}`"
        rows.append(f"| {names.replace('|', chr(92) + '|')} | {_cell(action.help)} |")
    if rows:
        yield from ("| option | what it does |", "|---|---|", *rows)


def _sentence(text: str) -> str:
    """Return a description as prose; the name that it begins with stands in the heading already."""
    first, *others = text.strip().split("\n\n")
    text = "\n\n".join([first, *(part for part in others if part.endswith("."))])
    if text.startswith("`llmitm") and "`: " in text:
        text = text.partition("`: ")[2]
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("%%", "%")


def main() -> None:
    PAGE.write_text(page(), "utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
