"""A command line as one text without its secrets.

Where an option's name says that its value is secret the value goes, whatever it looks like; what has the shape of a key or of an
address with a password goes wherever it stands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from llmitm.redact import REDACTED, Redactor

_WORDS = (
    r"(?:api|access|secret|private|session)[_.-]?key(?:[_.-]?id)?",
    r"(?:client[_.-]?)?secret",
    r"auth(?:orization)?",
    r"credentials?",
    r"pass(?:word|wd|phrase|in|out)?",
    *("bearer", "cookie", "dsn", "key", "pat", "pwd", "sig", "signature", "token"),
)
_IS_SECRET = re.compile(
    rf"(?:.*[_.:-])?(?:{'|'.join(_WORDS)})|.*(?:apikey|pass|password|passwd|secret|token)",
    re.IGNORECASE | re.DOTALL,
)
"""Names of options, variables and headers whose value is secret: `--openai-api-key`, `GITHUB_TOKEN`, `x-api-key`."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PAIR = re.compile(r"(-{0,2}[A-Za-z_][\w.:-]*?)(\s*[=:]\s*)(.+)", re.DOTALL)
"""`--token=x`, `KEY=x`, `x-api-key: x`, `-Dservice.password=x`."""
_SCHEMES = ("bearer", "basic")
_SCHEME = re.compile(r"\b(bearer|basic|token)\s+[^\s\"']+", re.IGNORECASE)
_USERINFO = re.compile(r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://)[^/\s\"']*@", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&;]([\w.-]+)=)[^&#;\s\"']*")
_FIELD = re.compile(r"([\"']?)(?<![\w.-])([\w.-]+)\1\s*[:=]\s*")
"""Begins a field inside of one argument: of JSON, a header line, a shell's text."""
_VALUE = re.compile(r"\[[^]]*\]|\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;}\"'&]+", re.DOTALL)
_OPTION = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]*)(\s+)(\"[^\"]*\"|'[^']*'|\S+)")
"""An option and its value inside of one argument: `sh -c 'agent --token x'`."""
_LONGEST = 8_000
"""Characters that are looked at; whoever reads a list of calls wants the beginning."""
_LETTERS = {
    "curl": "uUb",
    "http": "a",
    "https": "a",
    "mysql": "p",
    "redis-cli": "a",
    "sshpass": "p",
    "xh": "a",
}
"""Options of one letter whose value is secret, by program."""
_USERS = ("-u", "-U", "--user", "--proxy-user")
"""Options whose value may be `name:password`."""


def without_secrets(arguments: Sequence[str], redactor: Redactor) -> str:
    """Return a command line, as a shell would take it, with its secrets struck out."""
    if len(arguments) == 1:
        arguments = arguments[0].split()  # a process that has written its own title
    kept = list(_beginning(arguments))
    shown = [*map(_quoted, _struck(kept)), *("…" for _ in arguments[len(kept) : len(kept) + 1])]
    return redactor.text(" ".join(shown))


def _beginning(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the first arguments, each whole: half a key has not the shape of one."""
    length = 0
    for argument in arguments:
        length += len(argument)
        if length > _LONGEST:
            return
        yield argument


def _quoted(argument: str) -> str:
    kept = argument.replace(REDACTED, "x")
    return argument if kept == shlex.quote(kept) else shlex.quote(argument)


def _struck(arguments: Sequence[str]) -> Iterator[str]:
    letters = _LETTERS.get(arguments[0].rpartition("/")[2], "") if arguments else ""
    before = ""
    for argument in arguments:
        if _ends_with_letter(before, letters) or _is_value(before, argument):
            # In a line that was cut at its spaces, `Bearer` is not yet the secret.
            is_scheme = argument.lower() in _SCHEMES
            yield argument if is_scheme else REDACTED
            before = argument if is_scheme else ""
        elif argument[:1] == "-" and argument[1:2] in letters and len(argument) > len("-u"):
            yield argument[:2] + REDACTED
            before = ""
        else:
            yield _plain(argument)
            before = argument


def _ends_with_letter(argument: str, letters: str) -> bool:
    """Tell whether the value of an option of one letter follows: after `-u`, and after `-sSu`."""
    return (
        argument.startswith("-")
        and argument[-1] in letters
        and argument[1:].isascii()
        and argument[1:].isalpha()
    )


def _is_value(before: str, argument: str) -> bool:
    """Tell whether an argument is secret by the one before it: `--token x`, `-u name:x`, `x-api-key: x`, `Bearer x`."""
    if before in _USERS:
        return ":" in argument
    if before.lower() in _SCHEMES:
        return True
    name = before.removesuffix(":")
    is_name = before.endswith(":") or (before.startswith("-") and "=" not in before)
    return is_name and _is_secret(name) and not _is_option(argument)


def _is_option(argument: str) -> bool:
    """Tell an option from a value that begins with a hyphen."""
    return argument.startswith("--") and argument != "--"


def _is_secret(name: str) -> bool:
    plain = _CAMEL.sub("-", name.strip().lstrip("-"))
    return _IS_SECRET.fullmatch(plain) is not None


def _plain(argument: str) -> str:
    """Return one argument without the secrets in it."""
    pair = _PAIR.fullmatch(argument)
    if pair and _is_secret(pair[1]):
        return f"{pair[1]}{pair[2]}{REDACTED}"
    argument = _USERINFO.sub(rf"\1{REDACTED}@", argument)
    argument = _PARAMETER.sub(
        lambda found: found[1] + REDACTED if _is_secret(found[2]) else found[0], argument
    )
    argument = _SCHEME.sub(rf"\1 {REDACTED}", argument)
    return _OPTION.sub(_option, _without_fields(argument))


def _without_fields(text: str) -> str:
    """Strike out the values of fields with a secret name; the value of another may hold fields itself (`--env=KEY=...`)."""
    parts: list[str] = []
    start = at = 0
    while found := _FIELD.search(text, at):
        at = found.end()
        value = _VALUE.match(text, at) if _is_secret(found[2]) else None
        if value is not None:
            parts += (text[start:at], REDACTED)
            start = at = value.end()
    return "".join((*parts, text[start:]))


def _option(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{REDACTED}" if _is_value(found[1], found[3]) else found[0]
