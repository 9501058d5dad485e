"""What a person would call a program: `my_agent.py` for `python -u my_agent.py`, `x.ts` for `node .../tsx/cli.mjs x.ts`.

Rules are data; the first positional argument of an interpreter is its script, once options and their values are out of
the way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname

FORWARDERS = frozenset(
    {
        "com.docker.backend",
        "docker-proxy",
        "gvproxy",
        "pasta",
        "pasta.avx2",
        "rootlesskit",
        "slirp4netns",
        "socat",
        "ssh",
        "sshd",
        "sshd-session",
        "vpnkit",
        "wslrelay",
    }
)
"""Programs that carry connections of others here, from containers and other machines: not the ones that call."""
_HELPERS = re.compile(r"git-remote-\w+")
"""Programs that another one starts for its own work."""
_HELPING = re.compile(
    r"from multiprocessing\..*"
    r"|--multiprocessing-fork"
    r"|(?:joblib\.externals\.)?loky\.backend\.\w+"
    r"|import sys;exec\(eval\(sys\.stdin\.readline\(\)\)\)",  # execnet, and so pytest-xdist
)
"""Arguments of processes that are parts of another: the workers of Python's multiprocessing, joblib and pytest-xdist."""
_VERSION = re.compile(r"(?<=[a-z])-?\d+(?:\.\d+)*t?$")
"""`python3.13`, `ruby3.2`, `php8.3`."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class _Interpreter:
    """How an interpreter is told what to run."""

    with_value: frozenset[str] = frozenset()
    """Options whose value is the next argument."""
    inline: frozenset[str] = frozenset()
    """Options that bring the program itself."""
    named: frozenset[str] = frozenset()
    """Options that name the program: a module, a file."""
    verbs: frozenset[str] = frozenset()
    """Words that may stand before the script."""


def _options(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NODE = _Interpreter(
    _options(
        "-r --require --import --loader --experimental-loader -C --conditions --env-file"
        " --env-file-if-exists --title --max-old-space-size --stack-size --disable-warning"
    ),
    _options("-e --eval -p --print -pe"),
)
_SHELL = _Interpreter(_options("-o -O +o +O --rcfile --init-file"), _options("-c -lc -ic -ec"))
INTERPRETERS: Mapping[str, _Interpreter] = {
    "python": _Interpreter(
        _options("-W -X --check-hash-based-pycs"), inline=_options("-c"), named=_options("-m")
    ),
    "node": _NODE,
    "bun": _Interpreter(
        _options("-r --preload --env-file -c --config --cwd"),
        _options("-e --eval -p --print"),
        verbs=_options("run x"),
    ),
    "deno": _Interpreter(
        _options("-c --config --import-map --cert --location --lock --env-file -r --preload"),
        verbs=_options("run serve task test bench eval"),
    ),
    "ruby": _Interpreter(_options("-I -r -E -C -F"), _options("-e")),
    "perl": _Interpreter(_options("-I"), _options("-e -E")),
    "php": _Interpreter(_options("-d -c -z"), _options("-r -B -R"), _options("-f")),
    "lua": _Interpreter(_options("-l"), _options("-e")),
    "java": _Interpreter(
        _options(
            "-cp -classpath --class-path -p --module-path --add-modules --add-opens --add-exports"
        ),
        named=_options("-jar -m --module"),
    ),
    "dotnet": _Interpreter(verbs=_options("exec")),
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "fish"), _SHELL),
}
_SAME = {"nodejs": "node", "pypy": "python", "electron": "node", "luajit": "lua", "jruby": "ruby"}
_CARRIERS: Mapping[str, _Interpreter] = {
    **dict.fromkeys(
        ("tsx", "ts-node", "esno", "nodemon", "vite-node"),
        _Interpreter(_NODE.with_value | _options("--tsconfig -P --project"), _NODE.inline),
    ),
    "debugpy": _Interpreter(_options("--listen --connect --log-to"), named=_options("-m")),
    "coverage": _Interpreter(
        _options("--source --omit --include --rcfile"), named=_options("-m"), verbs=_options("run")
    ),
    "pdb": _Interpreter(_options("-c"), named=_options("-m")),
    "dotenv": _Interpreter(_options("-f -q"), verbs=_options("run --")),
}
"""What runs a script of somebody else's in its own process."""


def name(arguments: Sequence[str], executable: str | None = None) -> str | None:
    """Return the name of a program by its command line; by its file, where it has none."""
    called = _called(arguments) or basename(executable or "")
    kind = _kind(called)
    if kind in INTERPRETERS:
        script = _script(INTERPRETERS[kind], arguments[1:])
        called = script or kind
    return _clean(called)


def is_helper(arguments: Sequence[str]) -> bool:
    """Tell whether a process works for the one that started it."""
    return bool(_HELPERS.fullmatch(_called(arguments))) or any(map(_HELPING.fullmatch, arguments))


def is_forwarder(arguments: Sequence[str], executable: str | None) -> bool:
    """Tell whether a process only carries the connections of others."""
    return not FORWARDERS.isdisjoint((_called(arguments), basename(executable or "")))


def _called(arguments: Sequence[str]) -> str:
    """Return what a process calls itself, which many write as one text: `nginx: worker`, `/opt/chrome --type=...`."""
    first = arguments[0] if arguments else ""
    first = first.partition(" -")[0]
    if not first.startswith("/"):
        first = first.partition(" ")[0].rstrip(":")
    return basename(first.removeprefix("-"))


def _kind(called: str) -> str:
    plain = _VERSION.sub("", called.lower())
    return _SAME.get(plain, plain)


def _script(interpreter: _Interpreter, arguments: Sequence[str]) -> str | None:
    """Return the name of what an interpreter runs; None where it has no file."""
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument in interpreter.inline or argument == "-":
            return None
        if argument in interpreter.named:
            return _named(rest[0], rest[1:], is_file=argument in ("-jar", "-f")) if rest else None
        if argument in interpreter.with_value:
            del rest[:1]
        elif argument in interpreter.verbs:
            continue
        elif not argument.startswith("-"):
            return _named(argument, rest, is_file=True)
    return None


def _named(program: str, rest: Sequence[str], *, is_file: bool) -> str:
    """Return the name of a script or module; of what it runs in turn, where it is there for that."""
    called = _of_file(program) if is_file else program.rpartition("/")[2]
    carrier = _CARRIERS.get(called)
    return (carrier and _script(carrier, rest)) or called


def _of_file(path: str) -> str:
    """Return the name of a script: of its package, where the file's own name says nothing."""
    before, inside, after = path.rpartition("/node_modules/")
    if inside and before is not None and not after.startswith(".bin/"):
        parts = after.split("/")
        return "/".join(parts[:2]) if parts[0].startswith("@") else parts[0]
    if basename(path) in ("__main__.py", "__init__.py"):
        return basename(dirname(path)) or basename(path)
    return basename(path.rstrip("/"))


def _clean(text: str) -> str | None:
    return _CONTROL.sub("", text)[:_LONGEST].strip() or None
