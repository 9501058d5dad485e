"""`llmitm alert`: one line adds one, a test shows what the receiver says, and the history what was sent."""

from __future__ import annotations

import json
import re

import pytest

from cli.conftest import CommandLine, python
from harness import until
from receivers import free_port, hook

CALL = "import urllib.request, json; urllib.request.urlopen(urllib.request.Request('https://api.openai.com/v1/chat/completions', json.dumps({'model': 'gpt-4o-mini', 'messages': [{'role': 'user', 'content': 'Hi'}]}).encode(), {'authorization': 'Bearer none', 'content-type': 'application/json'})).read()"


def channel(llmitm: CommandLine, url: str, name: str = "slack") -> None:
    llmitm.home.settings.write_text(f'[channel.{name}]\nurl = "{url}"\n', "utf-8")


def test_the_line_of_the_tutorial(llmitm: CommandLine) -> None:
    with hook() as receiver:
        channel(llmitm, receiver.url)
        added = llmitm("alert", "add", "spend > 50 / day", "--to", "slack")
        assert (added.returncode, added.stderr) == (0, "")
        assert "added spend-day to" in added.stdout
        assert llmitm.home.settings.read_text().endswith(
            '\n[alert.spend-day]\nwhen = "spend > $50 / day"\nto = ["slack"]\n'
        )
        again = llmitm("alert", "add", "spend > 80 / day", "--to", "slack", "--to", "desktop")
        assert "added spend-day-2" in again.stdout
        assert llmitm("alert", "ls").stdout.splitlines() == [
            "spend-day\tspend > $50 / day\t–\tok\tslack",
            "spend-day-2\tspend > $80 / day\t–\tok\tslack, desktop",
        ]
        tested = llmitm("alert", "test", "spend-day")
        assert (tested.returncode, tested.stdout) == (0, "slack: 200 ok\n")
        receiver.answers.append((404, {}, b"no_service"))
        refused = llmitm("alert", "test", "slack")
        assert refused.returncode == 1
        assert refused.stderr == "llmitm: slack: not sent: 404 no_service\n"
    (post,) = receiver.posts
    assert "test of the alert spend-day" in post.json["text"]


def test_from_a_run_to_the_history(llmitm: CommandLine) -> None:
    with hook() as receiver:
        channel(llmitm, receiver.url)
        llmitm("alert", "add", "calls > 0 / day by model", "--to", "slack", "--name", "any")
        ran = llmitm("run", *python(CALL))
        assert ran.returncode == 0, ran.stderr
        until(lambda: receiver.posts)  # sent before the proxy of the run has ended
    told = receiver.posts[0].json["blocks"][1]["text"]["text"]
    (model,) = re.findall(r"\*model (\S+)\*  1", told)
    (row,) = llmitm("alert", "history").stdout.splitlines()
    assert row.split("\t")[1:] == [
        "any",
        f"calls today of model {model} is 1, above 0",
        "slack",
        "sent",
        "200 ok",
    ]
    (record,) = json.loads(llmitm("alert", "history", "--json").stdout)
    assert (record["state"], record["tries"], record["type"]) == ("sent", 1, "alert.firing")
    command = record["data"]["command"].split()
    assert command[0] == "llmitm"
    assert model in llmitm(*command[1:]).stdout
    (state,) = json.loads(llmitm("alert", "ls", "--json").stdout)
    assert (state["state"], state["now"], state["groups"]) == ("firing", "1", [{"model": model}])


def test_mute(llmitm: CommandLine) -> None:
    channel(llmitm, "http://127.0.0.1:1/")
    llmitm("alert", "add", "calls > 0", "--to", "slack", "--name", "any")
    assert "any is muted until" in llmitm("alert", "mute", "any", "--for", "2h").stdout
    assert "ok, muted until" in llmitm("alert", "ls").stdout
    assert "is sent again" in llmitm("alert", "mute", "any", "--off").stdout
    assert llmitm("alert", "ls").stdout.split("\t")[3] == "ok"
    assert "until llmitm alert mute any --off" in llmitm("alert", "mute", "any").stdout
    assert llmitm("alert", "ls").stdout.split("\t")[3] == "ok, muted"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "spend > lots", "--to", "slack"), 1, "'spend > lots' is no condition: METRIC"),
        (("add", "spend > 5 / eon", "--to", "slack"), 1, "window 'eon': allowed is hour, day"),
        (("add", "spend > 5", "--to", "slck"), 2, "alert.spend-day.to = 'slck': allowed is slack"),
        (("add", "spend > 5", "--to", "slack", "--name", "a.b"), 2, "alert.a.when"),
        (("add", "spend > 5"), 2, "required: --to"),
        (("test", "nobody"), 1, "no alert and no channel 'nobody'; there are slack, desktop"),
        (("mute", "nobody"), 1, "there is no alert 'nobody'; there is none"),
        (("mute", "x", "--for", "2 eons"), 2, "'2 eons' is no time: allowed are 30m, 2h, 3d"),
        (("test", "slack"), 1, "slack: not sent: Connection refused"),
    ],
)
def test_errors(llmitm: CommandLine, arguments: tuple[str, ...], code: int, said: str) -> None:
    channel(llmitm, f"http://127.0.0.1:{free_port()}/secret")
    before = llmitm.home.settings.read_text()
    done = llmitm("alert", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "/secret" not in done.stderr
    assert llmitm.home.settings.read_text() == before
