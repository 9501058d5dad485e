"""One program through `llmitm run`: what the local provider sent, and what stands in the log."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from llmitm.demo.log import Entry
from llmitm.demo.provider import LocalProvider, in_thread
from programs.catalogue import NOTES, Program

_SECONDS = 180
_COLUMNS = (
    "model",
    "streaming",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_STREAM = "text/event-stream"
_OWN = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z|\bin \d+(?:\.\d+)?m?s\b|/tmp/\S+"
)
"""Ids, times and folders that a program prints and that differ from run to run."""


class Measured(NamedTuple):
    """What became of a program's calls."""

    exit_code: int | None
    """None where it did not end in time."""
    seconds: float
    sent: int
    """Calls for which the provider counted tokens."""
    logged: int
    """Such calls in the log."""
    right: int
    """Of these, those whose model, tokens and streaming are what the provider noted, and which have a cost."""
    other: int
    """Rows without tokens: attempts that failed."""
    last_line: str
    """Of what the program printed."""
    replayed: str = "–"
    """Whether the program said the same when its calls were replayed: `yes`, or what was wrong."""

    @property
    def fine(self) -> bool:
        """Whether every call is in the log as it was, and the program ended well."""
        is_whole = self.exit_code == 0 and 0 < self.sent == self.logged == self.right
        return is_whole and self.replayed in ("–", "yes")


def measure(program: Program, binary: Path) -> Measured:
    """Run a program in a home of its own and compare."""
    with tempfile.TemporaryDirectory(prefix="llmitm-client-") as folder, in_thread() as provider:
        place = Path(folder)
        work = place / "work"
        work.mkdir()
        (work / NOTES).write_text("The word is balloon.\n")
        for name, text in program.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        started = time.monotonic()
        environment = _environment(program, place, binary, provider)
        code, said = _run(program, binary, environment, work)
        seconds = time.monotonic() - started
        rows = _rows(place / "llmitm" / "llmitm.db")
        sent = [entry for entry in provider.log if entry.tokens is not None]
        replayed = _replay(program, binary, environment, place) if program.can_replay else "–"
    logged = Counter(tuple(row[name] or 0 for name in _COLUMNS) for row in rows if row["cost_usd"])
    return Measured(
        exit_code=code,
        seconds=seconds,
        sent=len(sent),
        logged=sum(row["input_tokens"] is not None for row in rows),
        right=sum((logged & Counter(map(_expected, sent))).values()),
        other=sum(row["input_tokens"] is None for row in rows),
        last_line=next((line for line in reversed(said.splitlines()) if line.strip()), ""),
        replayed=replayed,
    )


def _replay(program: Program, binary: Path, environment: Mapping[str, str], place: Path) -> str:
    """Record the calls of a run, then run again with a provider that does not answer; compare what is said."""
    file = place / "calls.jsonl"
    said = []
    for way in ("--record", "--replay"):
        reached = {} if way == "--record" else {"LLMITM_TEST_UPSTREAM": "127.0.0.1:9"}
        changed = program._replace(options=[*program.options, way, str(file)])
        code, text = _run(changed, binary, {**environment, **reached}, place / "work")
        if code != 0:
            return f"{way} ended with {code}: {text[-300:]}"
        said.append(text)
    return "yes" if _answer(said[0]) == _answer(said[1]) else f"{said[0]!r} and {said[1]!r}"


def _answer(said: str) -> list[str]:
    """Return what a program printed, without ids and times of its own."""
    lines = [_OWN.sub("", line).strip() for line in said.splitlines()]
    return [line for line in lines if line]


def _environment(
    program: Program, place: Path, binary: Path, provider: LocalProvider
) -> dict[str, str]:
    """Return the user's environment without proxies and keys of their own, in another home."""
    kept = ("PATH", "LANG", "TERM", "TMPDIR")
    path = os.pathsep.join((str(binary.parent), os.environ["PATH"]))
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PATH": path,
        "HOME": str(place),
        "LLMITM_HOME": str(place / "llmitm"),
        "LLMITM_TEST_UPSTREAM": provider.address,
        "LLMITM_TEST_UPSTREAM_CA": str(provider.ca_file),
        **program.environment,
    }


def _run(
    program: Program, binary: Path, environment: Mapping[str, str], work: Path
) -> tuple[int | None, str]:
    command = [
        sys.executable,
        "-m",
        "llmitm.cli",
        "run",
        "--quiet",
        *program.options,
        "--",
        str(binary),
    ]
    if program.last:
        command[-1:] = ["sh", "-c", f'exec "$0" "$@" {program.last}', str(binary)]
    process = subprocess.Popen(
        [*command, *program.arguments],
        env=environment,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        # Programs start others, which would hold the pipe open.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return None, said
    return process.returncode, said


def _rows(database: Path) -> list[sqlite3.Row]:
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return list(connection.execute("select * from requests join calls using (id)"))


def _expected(entry: Entry) -> tuple[object, ...]:
    tokens = entry.tokens
    assert tokens is not None
    content_type = dict(entry.response_headers).get("content-type", "")
    streaming = int(content_type.startswith(_STREAM))
    return (
        entry.model,
        streaming,
        tokens.input,
        tokens.output,
        tokens.cached,
        tokens.cache_write,
        tokens.reasoning,
    )
