"""`llmitm run --cache`, `--offline`, `--record`, `--replay`: where a program's answers come from."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cli.conftest import CommandLine, python
from llmitm import exchanges
from llmitm.calls import Exchange
from llmitm.demo.provider import LocalProvider

CALLS = """
import json, os, sys, urllib.error, urllib.request
base = "https://api.openai.com/v1"
key = os.environ.get("KEY", "sk-a-real-key-0123456789")
told = {"content-type": "application/json", "authorization": f"Bearer {key}"}
def call(path, body):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(base + path, data, told)) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.read()
for question in sys.argv[1:]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
    print(call("/chat/completions", body))
    print(call("/chat/completions", body | {"stream": True}))
print(call("/models", None))
print(call("/audio/speech", {"model": "tts-1", "input": "speak", "voice": "alloy"}))
print(call("/chat/completions", body | {"model": "demo-error-429"}))
"""


def run(
    llmitm: CommandLine, *options: str, questions: tuple[str, ...] = ("one", "two"), key: str = ""
) -> subprocess.CompletedProcess[str]:
    environ = {"KEY": key} if key else {}
    return llmitm("run", "-q", *options, *python(CALLS), *questions, environ=environ)


def test_a_program_again_without_its_provider(
    llmitm: CommandLine, upstream: LocalProvider, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    first = run(llmitm, "--record", str(file))
    assert first.returncode == 0, first.stderr
    asked = len(upstream.log)
    assert asked == 7
    text = file.read_text()
    assert "sk-a-real-key" not in text
    assert "include_usage" not in text  # requests as the program sent them
    with file.open("rb") as lines:
        found = list(exchanges.read(lines, "file", 0))
    assert [each.status for each in found if isinstance(each, Exchange)] == [200] * 6 + [429]
    second = run(llmitm, "--replay", str(file), key="sk-another-key")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert len(upstream.log) == asked
    explained = llmitm("explain", "--json", str(file))
    assert explained.returncode == 0, explained.stderr
    assert len(explained.stdout.splitlines()) == asked


def test_a_call_that_was_not_recorded(
    llmitm: CommandLine, upstream: LocalProvider, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    run(llmitm, "--record", str(file), questions=("one",))
    upstream.log.clear()
    missed = run(llmitm, "--replay", str(file), questions=("one!",))
    assert "replay_miss" in missed.stdout
    assert "$.messages[0].content" in missed.stdout
    assert not upstream.log


def test_cache_and_offline(llmitm: CommandLine, upstream: LocalProvider) -> None:
    first = run(llmitm, "--cache", "1h")
    assert first.returncode == 0, first.stderr
    upstream.log.clear()
    second = run(llmitm, "--cache")
    assert second.stdout == first.stdout
    assert {entry.path for entry in upstream.log} == {"/v1/models", "/v1/chat/completions"}
    assert len(upstream.log) == 2  # what cannot be kept, and what failed
    upstream.log.clear()
    offline = run(llmitm, "--offline")
    assert offline.stdout.splitlines()[:4] == first.stdout.splitlines()[:4]
    assert "cache_miss" in offline.stdout.splitlines()[-1]
    assert not upstream.log
    told = json.loads(llmitm("cache", "--json").stdout)
    assert told["answers"] == 5
    assert told["hits"] == 10
    said = llmitm("cache").stdout
    assert "5 answers, of which 0 have expired" in said
    assert "in the log: 18 calls asked it, 56 % were hits" in said
    listed = [json.loads(line) for line in llmitm("cache", "ls", "--json").stdout.splitlines()]
    assert {entry["operation"] for entry in listed} == {"chat", "speech"}
    assert "openai chat" in llmitm("cache", "ls", "-n", "5").stdout
    assert llmitm("cache", "clear", "--expired").stdout == "0 answers taken away\n"
    assert llmitm("cache", "clear").stdout == "5 answers taken away\n"
    assert "0 answers" in llmitm("cache").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cache", "soon"), "allowed is a time such as 90, 10m, 2h or 7d"),
        (("--offline", "--record", "x"), "not allowed with argument"),
        (("--replay", "x", "--cache"), "not allowed with argument"),
        (("--replay", "none.jsonl"), "--replay none.jsonl: is no file that can be read"),
        (("--replay", "."), "is no file that can be read"),
        (("--record", "none/x.jsonl"), "is no folder that can be written"),
        (("--record", "full.jsonl"), "is there already"),
        (("--replay", "full.jsonl"), "full.jsonl:1: is no JSON"),
    ],
)
def test_what_is_wrong_is_said(
    llmitm: CommandLine, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "full.jsonl").write_text("no json\n")
    done = llmitm("run", *options, "--", "true", cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(llmitm: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "closed.jsonl").touch(mode=0)
    done = llmitm("run", "--replay", "closed.jsonl", "--", "true", cwd=tmp_path)
    assert "can be read" in done.stderr


def test_cache_without_a_file(llmitm: CommandLine) -> None:
    assert "0 answers" in llmitm("cache").stdout
    assert llmitm("cache", "ls").stdout == ""
    assert llmitm("cache", "clear").stdout == "0 answers taken away\n"
    llmitm.home.cache.write_text("no database")
    done = llmitm("cache")
    assert done.returncode == 1
    assert "cache.db" in done.stderr
