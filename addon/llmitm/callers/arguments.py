"""A command line as one text without its secrets.

Where an option's name says that its value is secret the value goes, whatever it looks like; what has the shape of a key or of an
address with a password goes wherever it stands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from llmitm.redact import REDACTED, Redactor

_SECRET_WORDS = (
    r"api[_.-]?key|access[_.-]?key(?:[_.-]?id)?|secret(?:[_.-]?key)?|private[_.-]?key|client[_.-]?secret|token|pass(?:word|wd|phrase)?"
    r"|pwd|credentials?|auth(?:orization)?|bearer|cookie|session[_.-]?key|signature|sig|key|pat|dsn|netrc|user(?:name)?[_.-]?pass\w*"
)
_IS_SECRET = re.compile(
    rf"(?:^|.*[_.:-])(?:x-)?(?:{_SECRET_WORDS})|.*(?:apikey|password|passwd|secret|token)",
    re.IGNORECASE,
)
"""Names of options, variables and headers whose value is secret: `--openai-api-key`, `GITHUB_TOKEN`, `x-api-key`."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PAIR = re.compile(r"(-{0,2}[A-Za-z_][\w.:-]*?)(\s*[=:]\s*)(.+)", re.DOTALL)
"""`--token=x`, `KEY=x`, `x-api-key: x`, `-Dservice.password=x`."""
_SCHEMES = ("bearer", "basic")
_SCHEME = re.compile(r"\b(bearer|basic|token)\s+[^\s\"']+", re.IGNORECASE)
_USERINFO = re.compile(r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://)[^/@\s\"']*@", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&;]([\w.-]+)=)[^&#;\s\"']*")
_FIELD = re.compile(r"([\"']?)(?<![\w.-])([\w.-]+)\1\s*[:=]\s*")
"""Begins a field inside of one argument: of JSON, a header line, a shell's text."""
_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;}\"'&]+", re.DOTALL)
_OPTION = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]*)(\s+)(\"[^\"]*\"|'[^']*'|\S+)")
"""An option and its value inside of one argument: `sh -c 'agent --token x'`."""
_LONGEST = 8_000
"""Characters that are looked at; whoever reads a list of calls wants the beginning."""
_SHORT_SECRETS = {
    "curl": ("-u", "-U", "-b"),
    "wget": (),
    "http": ("-a",),
    "https": ("-a",),
    "xh": ("-a",),
    "sshpass": ("-p",),
    "mysql": ("-p",),
    "redis-cli": ("-a",),
}
"""Options of one letter whose value is secret."""
_USERS = ("--user", "--proxy-user")
"""Curl's, whose value is `name:password`."""


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
    short = _SHORT_SECRETS.get(arguments[0].rpartition("/")[2], ()) if arguments else ()
    is_value = False
    for argument in arguments:
        if argument.lower() in _SCHEMES:
            yield argument
            is_value = True
            continue
        if is_value and not _is_option(argument):
            yield REDACTED
            is_value = False
            continue
        is_value = argument in (*short, *_USERS) or _names_secret(argument)
        attached = next((each for each in short if argument.startswith(each)), None)
        if attached is not None and argument != attached:
            yield attached + REDACTED
        else:
            yield _plain(argument)


def _is_option(argument: str) -> bool:
    """Tell an option from a value that begins with a hyphen."""
    return argument.startswith("--") and argument != "--"


def _names_secret(argument: str) -> bool:
    """Tell whether the next argument is secret: after `--token`, and after `x-api-key:` where a line was cut at its spaces."""
    if argument.endswith(":"):
        return _is_secret(argument[:-1])
    return argument.startswith("-") and "=" not in argument and _is_secret(argument)


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
    is_secret = _is_secret(found[1]) and not _is_option(found[3])
    return f"{found[1]}{found[2]}{REDACTED}" if is_secret else found[0]
