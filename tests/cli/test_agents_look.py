"""Sessions, threads, workflows, users, differences and advice, on a log as agents make it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from cli.agents import TASK, calls
from cli.test_look import ask
from llmitm.calls import Identity
from llmitm.cli import main
from llmitm.home import Home
from llmitm.store.filters import Filter
from llmitm.store.reader import reading
from llmitm.store.writer import Writer
from store.records import START, call, identified, user

SINCE = ("--since", "2023-11-01")


@pytest.fixture
def log(home: Home) -> Home:
    writer = Writer(home.database)
    writer.write(list(calls()))
    writer.close()
    return home


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(ask(capsys, *arguments, "--json"))


def test_an_agent_is_below_the_conversation_that_sent_it(
    log: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (thread,) = found(capsys, "threads")
    assert (thread["calls"], thread["session"], thread["parent_call"]) == (3, "s-42", None)
    (agent,) = thread["below"]
    assert (agent["calls"], agent["link"]) == (1, "agent")
    assert agent["parent_call"] == thread["thread"]
    lines = ask(capsys, "threads").splitlines()
    assert [line.split("\t")[-1][:8] for line in lines] == ["Where is", "  agent:"]
    flat = list(csv.DictReader(io.StringIO(ask(capsys, "threads", "--csv"))))
    assert [row["calls"] for row in flat] == ["3", "1"]


def test_the_calls_of_a_thread(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(found(capsys, "threads", "last")) == 3


def test_without_a_session_the_client_tells_who_may_have_sent_an_agent(home: Home) -> None:
    writer = Writer(home.database)
    writer.write([identified(each, session_id=None) for each in calls()])
    strange = identified(list(calls())[1], session_id=None, client="other/1")
    writer.write([strange])
    writer.close()
    with reading(home.database) as log:
        threads = log.threads(Filter(), 10)
    assert sorted((each.calls, len(each.below)) for each in threads) == [(1, 0), (3, 1)]


def test_a_conversation_whose_beginning_was_cut_off_is_found_by_its_tool_results(
    home: Home,
) -> None:
    first, _, second, _ = calls()
    cut = json.loads(second.request_text or "")
    cut["messages"] = [
        {"role": "user", "content": [{"type": "text", "text": "summary"}]},
        *cut["messages"][2:],
    ]
    writer = Writer(home.database)
    writer.write([first, call(cut, "Hm.", at=START + 20, identity=first.identity)])
    writer.close()
    with reading(home.database) as log:
        (thread,) = log.threads(Filter(), 10)
    assert [(each.link, each.parent_call) for each in thread.below] == [
        ("tool result", first.exchange.id)
    ]


def test_a_session_has_its_steps_and_its_conversations(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ("/plan", "/plan/search", "/write", None)
    writer = Writer(home.database)
    writer.write(
        [
            identified(each, session_path=path, session_id="s-42" if path else None)
            for each, path in zip(calls(), paths, strict=True)
        ]
    )
    writer.close()
    (listed,) = found(capsys, "sessions")
    # The last call names no session, but goes on from one that does.
    assert (listed["session"], listed["calls"], listed["cost_nanousd"]) == ("s-42", 4, 80_000_000)
    (whole,) = found(capsys, "sessions", "s-42")
    assert {step["path"]: step["calls"] for step in whole["steps"]} == {
        "/plan": 1,
        "/plan/search": 1,
        "/write": 1,
        None: 1,
    }
    assert len(whole["threads"]) == 1
    rows = [line.split("\t")[:2] for line in ask(capsys, "sessions", "s-42").splitlines()[:4]]
    assert rows == [["s-42", "4"], ["  plan", "2"], ["    search", "1"], ["  write", "1"]]


def test_a_session_that_is_not_there(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "nobody"]) == 1
    assert "there is no session 'nobody'" in capsys.readouterr().err


def test_workflows_have_the_figures_of_each_step(
    log: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = {each["path"]: each for each in found(capsys, "workflows", *SINCE)}
    assert steps.keys() == {"refactor", "refactor/look", "refactor/search", "refactor/write"}
    whole, look = steps["refactor"], steps["refactor/look"]
    assert (whole["calls"], whole["cost_nanousd"], whole["input_tokens"]) == (4, 80_000_000, 32_200)
    assert (look["calls"], look["mean_latency_ms"], look["Step"]) == (2, 1_500, "look")
    lines = ask(capsys, "workflows", *SINCE).splitlines()
    assert lines[0].startswith("refactor\t4\t")
    assert all(line.startswith("  ") for line in lines[1:])
    assert found(capsys, "workflows", *SINCE, "--by", "step")[0]["path"] in (
        "look",
        "search",
        "write",
    )


def test_users_have_their_mix_of_models(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    writer = Writer(home.database)
    ada = Identity(user="ada")
    question = {"messages": [user("?")]}
    writer.write(
        [
            call(question, at=START, model="gpt-5.4", identity=ada, latency_ms=1_000),
            call(question, at=START + 1, model="gpt-5.4", identity=ada, latency_ms=3_000),
            call(
                question,
                at=START + 2,
                model="gpt-5.4-mini",
                identity=ada,
                outcome="error",
                latency_ms=2_000,
            ),
            call(question, at=START + 3, identity=Identity(user="ben")),
        ]
    )
    writer.close()
    users = {each["user"]: each for each in found(capsys, "users")}
    told = users["ada"]
    assert (told["calls"], told["mean_latency_ms"], told["error_rate"]) == (3, 2_000, 0.3333)
    assert told["models"] == {"gpt-5.4": 2, "gpt-5.4-mini": 1}
    (line,) = [line for line in ask(capsys, "users").splitlines() if line.startswith("ada")]
    assert line.split("\t") == [
        "ada", "3", "$0.0004", "2.00s", "33%", "360", "90", "gpt-5.4 67% · gpt-5.4-mini 33%",
    ]  # fmt: skip


def test_differences_message_by_message(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ask(capsys, "show", "last", "--diff").splitlines()
    assert "@@ system 0" in lines
    assert any(line.startswith("+") and "It is 14:02." in line for line in lines)
    assert "+user: Rename it." in lines
    assert lines[-1] == "3 of 5 messages are as they were"
    same = ask(capsys, "show", "last", "--diff", "last").splitlines()
    assert same[2:] == ["5 of 5 messages are as they were"]


def test_a_first_call_has_nothing_before_it(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "@4", "--diff"]) == 1
    assert "nothing was asked before it" in capsys.readouterr().err


def test_a_conversation_with_who_speaks(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ask(capsys, "show", "last", "--conversation")
    speakers = [
        line for line in shown.splitlines() if line in ("system", "user", "assistant", "answered")
    ]
    assert speakers == ["system", "user", "assistant", "user", "assistant", "user", "answered"]
    assert TASK in " ".join(shown.split())
    assert "← It is made in cache_key.py." in shown


def test_events_say_when(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ask(capsys, "show", "last", "--events").splitlines()
    assert lines[1].endswith("asked api.anthropic.com, " + lines[1].rpartition(", ")[2])
    assert "1.500 s  ended: ok" in lines[-1]


def test_advice_names_what_broke_the_prompt_cache(
    log: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (miss,) = found(capsys, "cache", "advise", *SINCE)
    assert (miss["reason"], miss["place"], miss["missed_tokens"]) == ("changed", "system", 9_390)
    assert miss["cost_nanousd"] > 0
    assert "It is 14:02." in miss["why"]
    lines = ask(capsys, "cache", "advise", *SINCE).splitlines()
    assert "1 misses" in lines[0]
    assert "out of the system prompt" in lines[-1]


def test_our_cache_would_have_answered_what_was_asked_twice(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    question = {"messages": [user("the same?")]}
    writer = Writer(home.database)
    writer.write(
        [
            call(question, at=START),
            call(question, at=START + 60),
            call({"messages": [user("another")]}, at=START + 90),
            call(question, at=START + 7_200),
            call(question, at=START + 7_260, outcome="error", status=500, usd=None),
        ]
    )
    writer.close()
    total = found(capsys, "price", "whatif", "--cached", "1h")["total"]
    assert (total["calls"], total["hits"]) == (4, 1)
    assert total["difference_nanousd"] == -125_000
    assert found(capsys, "price", "whatif", "--cached", "3h")["total"]["hits"] == 2


def test_another_tier(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    writer = Writer(home.database)
    writer.write([call({"messages": [user("?")]}, model="gpt-5.4")])
    writer.close()
    told = found(capsys, "price", "whatif", "--tier", "batch")
    standard = found(capsys, "price", "whatif", "--model", "gpt-5.4", "--provider", "openai")
    assert told["total"]["whatif_nanousd"] * 2 == standard["total"]["whatif_nanousd"]
    none = found(capsys, "price", "whatif", "--tier", "nonsense")["total"]
    assert (none["calls"], none["left_out"][0]["calls"]) == (0, 1)


@pytest.mark.parametrize("options", [[], ["--cached", "1h", "--tier", "batch"]])
def test_whatif_wants_one_thing_that_is_otherwise(
    log: Home, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["price", "whatif", *options]) == 2
    assert "--" in capsys.readouterr().err


def test_a_cross_table_adds_up(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ask(
        capsys, "stats", "--by", "property:Step,model", "--cross", "--figure", "calls"
    ).splitlines()
    assert lines[0].split("\t")[1:] == ["claude-opus-5", "total"]
    assert ["look", "2", "2"] in [line.split("\t") for line in lines]


def test_beside_the_time_before(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    question = {"messages": [user("?")]}
    writer = Writer(home.database)
    writer.write([call(question, at=START + number * 3_600) for number in range(6)])
    writer.close()
    # Six calls an hour apart: two in the last two hours, two in the two before.
    spans = ["--since", "2023-11-15T01:40:00+00:00", "--until", "2023-11-15T03:40:00+00:00"]
    (row,) = found(capsys, "stats", "--by", "model", *spans, "--compare", "prev")
    assert (row["calls"], row["previous_calls"]) == (2, 2)
    assert main(["stats", "--compare", "prev"]) == 2


def test_weeks_begin_on_monday(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = found(capsys, "stats", "--by", "week", "--utc")
    assert row["week"] == "2023-11-13"  # the calls are of a Tuesday
