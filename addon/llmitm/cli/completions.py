"""`llmitm completions`: what a shell needs to complete verbs and options; made from the parser, so it is never behind."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_SHELLS = ("bash", "zsh", "fish")


class _Word(NamedTuple):
    text: str
    meaning: str


class _Verb(NamedTuple):
    """A verb, or a verb of a verb, with what can follow it."""

    path: Sequence[str]
    words: Sequence[_Word]


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `completions` to the command line."""
    parser = subparsers.add_parser(
        "completions", help="completion of verbs and options for a shell", description=__doc__
    )
    parser.add_argument("shell", choices=_SHELLS, help="whose")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.cli import make_parser

    verbs = list(_verbs(make_parser(), ()))
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell](verbs))
    return 0


def _verbs(parser: argparse.ArgumentParser, path: Sequence[str]) -> Iterator[_Verb]:
    """Yield a parser's words, and those of the verbs below it."""
    words: list[_Word] = []
    below: list[_Verb] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words += [_Word(each.dest, _plain(each.help)) for each in action._get_subactions()]
            for name, inner in action.choices.items():
                below += _verbs(inner, (*path, name))
        elif action.help != argparse.SUPPRESS:
            words += [_Word(option, _plain(action.help)) for option in action.option_strings]
            if not action.option_strings and action.choices:
                words += [_Word(str(choice), "") for choice in action.choices]
    yield _Verb(path, words)
    yield from below


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _bash(verbs: Sequence[_Verb]) -> str:
    cases = "\n".join(
        f'    "{" ".join(verb.path)}") words="{" ".join(word.text for word in verb.words)}" ;;'
        for verb in verbs
    )
    return f"""_llmitm() {{
  local word path="" words="" known
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ $word == -* ]] && continue
    case "${{path:+$path }}$word" in {"|".join(f'"{" ".join(verb.path)}"' for verb in verbs if verb.path)})
      path="${{path:+$path }}$word" ;; esac
  done
  case "$path" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _llmitm llmitm"""


def _zsh(verbs: Sequence[_Verb]) -> str:
    cases = "\n".join(
        f"    '{' '.join(verb.path)}') words_=({' '.join(_quoted(_described(word)) for word in verb.words)}) ;;"
        for verb in verbs
    )
    return f"""#compdef llmitm
_llmitm() {{
  local path_="" word_
  local -a words_
  for word_ in "${{(@)words[2,CURRENT-1]}}"; do
    [[ $word_ == -* ]] && continue
    case "${{path_:+$path_ }}$word_" in {"|".join(f"'{' '.join(verb.path)}'" for verb in verbs if verb.path)})
      path_="${{path_:+$path_ }}$word_" ;; esac
  done
  case "$path_" in
{cases}
  esac
  _describe llmitm words_ || _files
}}
compdef _llmitm llmitm"""


def _described(word: _Word) -> str:
    return word.text.replace(":", "\\:") + (f":{word.meaning}" if word.meaning else "")


def _fish(verbs: Sequence[_Verb]) -> str:
    lines = []
    for verb in verbs:
        if not verb.path:
            condition = "__fish_use_subcommand"
        else:
            condition = " ; and ".join(f"__fish_seen_subcommand_from {name}" for name in verb.path)
        for word in verb.words:
            if word.text.startswith("--"):
                what = f"-l {word.text[2:]}"
            elif word.text.startswith("-"):
                what = f"-s {word.text[1:]}"
            else:
                what = f"-a {_quoted(word.text)}"
            meaning = f" -d {_quoted(word.meaning)}" if word.meaning else ""
            lines.append(f"complete -c llmitm -n {_quoted(condition)} {what}{meaning}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"
