"""`llmitm budget` and `llmitm run --budget`."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from cli.conftest import CommandLine
from harness import until

CALLS = """
import json, os, sys, urllib.request, urllib.error
body = {"model": "gpt-4o-mini", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
base = os.environ["OPENAI_BASE_URL"]
for _ in range(int(sys.argv[1])):
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(),
        {"content-type": "application/json", "authorization": "Bearer none"})
    try:
        print(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(error.code, json.load(error)["error"]["message"])
"""


def listed(llmitm: CommandLine) -> list[dict[str, Any]]:
    done = llmitm("budget", "ls", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_it_is_made_listed_changed_and_removed(llmitm: CommandLine) -> None:
    assert "there is no budget" in llmitm("budget", "ls").stderr
    done = llmitm("budget", "set", "20/day", "--tag", "nightly", "--on-limit", "warn")
    assert done.stdout == "made nightly-day: $20.00 per day for tag=nightly, then warn\n"
    done = llmitm("budget", "set", "$5/24h", "--each", "user", "--name", "people")
    assert done.returncode == 0, done.stderr
    assert llmitm("budget", "set", "30/day", "--tag", "nightly").stdout.startswith("changed")
    found = {each["name"]: each for each in listed(llmitm)}
    assert found["nightly-day"]["limit_nanousd"] == 30 * 10**9
    assert found["nightly-day"]["for"] == "tag=nightly"
    assert found["nightly-day"]["on_limit"] == "block"
    assert "30.00" in llmitm("budget", "ls").stdout
    assert "30.00 per day, made by hand" in llmitm("budget", "show", "nightly-day").stdout
    assert llmitm("budget", "release", "people").stdout == "given back: $0.00\n"
    assert llmitm("budget", "rm", "nightly-day").returncode == 0
    assert [each["name"] for each in listed(llmitm)] == []
    done = llmitm("budget", "rm", "nightly-day")
    assert done.returncode == 1
    assert "there is no budget 'nightly-day'; there are people" in done.stderr


def test_those_of_the_settings(llmitm: CommandLine) -> None:
    llmitm.home.create()
    llmitm.home.settings.write_text('[[budget]]\nname = "all"\nlimit = 7\nper = "week"\n')
    assert [(each["name"], each["from"]) for each in listed(llmitm)] == [("all", "settings")]
    assert "from the settings file" in llmitm("budget", "rm", "all").stderr
    llmitm("budget", "set", "8/week", "--name", "all")
    assert [each["limit_nanousd"] for each in listed(llmitm)] == [8 * 10**9]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["20"], "has no period"),
        (["x/day"], "limit = 'x': allowed is an amount in USD"),
        (["20/year"], "per = 'year': allowed is hour, day"),
        (["20/day", "--on-limit", "stop"], "on-limit = 'stop': allowed is block, warn"),
        (["20/day", "--warn-at", "much"], "--warn-at 'much'"),
    ],
)
def test_what_is_wrong_is_told(llmitm: CommandLine, arguments: list[str], told: str) -> None:
    done = llmitm("budget", "set", *arguments)
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.parametrize("is_shared", [False, True], ids=["private", "shared"])
def test_a_run_has_its_own(llmitm: CommandLine, is_shared: bool) -> None:
    if is_shared:
        llmitm.proxy()
    program = ["--", sys.executable, "-c", CALLS]
    done = llmitm("run", "--base-url", "--budget", "0.00061", *program, "5")
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first == "200"
    assert last.startswith("429 llmitm: the budget run-")
    assert "of $0.00061 in all has not enough left" in last
    assert "llmitm: budget of this run: " in done.stderr
    assert " of $0.00061 spent" in done.stderr
    assert llmitm("run", "--base-url", *program, "1").stdout == "200\n", "another run has none"
    assert listed(llmitm) == []


def test_a_running_proxy_takes_it_up_and_lets_it_go(llmitm: CommandLine) -> None:
    llmitm.proxy()
    program = ["run", "--base-url", "--", sys.executable, "-c", CALLS, "1"]
    assert llmitm(*program).stdout == "200\n"
    llmitm("budget", "set", "0/day", "--name", "none")
    assert llmitm(*program).stdout.startswith("429 llmitm: the budget none of $0.00 a day")
    llmitm("budget", "rm", "none")
    assert llmitm(*program).stdout == "200\n"
    rows = until(lambda: json.loads(llmitm("ls", "--json").stdout))
    assert [row["error_type"] for row in rows].count("budget_exceeded") == 1


def test_a_wrong_amount_starts_nothing(llmitm: CommandLine) -> None:
    done = llmitm("run", "--budget", "much", "--", sys.executable, "-c", "print(1)")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--budget 'much': allowed is an amount in USD" in done.stderr
