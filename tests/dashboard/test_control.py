"""Budgets, alerts, prices and setup: what forms change is what the command line changes, and what it sees."""

from __future__ import annotations

import html
import json
import re
import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from markupsafe import escape

from dashboard.filled import fill
from dashboard.serving import Client, opened, serving
from llmitm.alerts.standing import standings
from llmitm.cli import main
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home
from llmitm.settings import load
from llmitm.store.filters import Filter
from llmitm.store.reader import reading
from llmitm.store.runaways import Runaway, RunawayFile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A folder with a log, which the command line uses too."""
    place = Home(tmp_path)
    fill(place.database, time.time(), 60, 0.5)
    monkeypatch.setenv("LLMITM_HOME", str(tmp_path))
    return place


@pytest.fixture
def controlled(home: Home) -> Iterator[Client]:
    """A client of a dashboard of that folder."""
    with serving(home) as dashboard:
        yield opened(dashboard)


def budgets(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    """Return what `llmitm budget ls --json` says, by name."""
    capsys.readouterr()
    assert main(["budget", "ls", "--json"]) == 0
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)}


def row(body: str, name: str) -> str:
    found = re.search(rf'<tr data-row="{re.escape(str(escape(name)))}".*?</tr>', body, re.DOTALL)
    assert found is not None, name
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[0])).split())


def test_looking_makes_no_files(controlled: Client, home: Home) -> None:
    assert "There is no budget" in controlled.page("/budgets").text
    assert not home.budgets.exists()
    assert not home.alerts.exists()
    assert not home.settings.exists()


def test_a_budget_is_set_changed_and_removed(
    controlled: Client, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    form = {"do": "set-budget", "amount": "20", "per": "day", "name": "mine"}
    assert controlled.post("/budgets", form).status == 303
    found = budgets(capsys)["mine"]
    assert found["limit_nanousd"] == 20 * 10**9
    with reading(home.database) as log:
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        today = sum(sums.cost_nanousd for sums in log.sums(Filter(since=midnight)))
    assert found["spent_nanousd"] == today
    page = controlled.page("/budgets")
    assert "$20.00 a day" in row(page.body, "mine/")

    fallback = {"on_limit": "fallback", "fallback": "gpt-5-mini", "for": "model=claude* team=blue"}
    assert controlled.post("/budgets", {**form, "amount": "0.01", **fallback}).status == 303
    changed = budgets(capsys)["mine"]
    assert changed["on_limit"] == "fallback:gpt-5-mini"
    assert changed["for"] == "model=claude* team=blue"
    assert "fallback:gpt-5-mini" in row(controlled.page("/budgets").body, "mine/")

    assert controlled.post("/budgets", {"do": "remove-budget", "name": "mine"}).status == 303
    assert budgets(capsys) == {}
    assert "There is no budget" in controlled.page("/budgets").text


def test_a_budget_for_each(controlled: Client, capsys: pytest.CaptureFixture[str]) -> None:
    form = {"do": "set-budget", "amount": "2", "per": "day", "other": "24h", "each": "user"}
    assert controlled.post("/budgets", form).status == 303
    assert budgets(capsys)["each-user-24h"]["each"] == "user"
    assert "each-user-24h" in controlled.page("/budgets").text


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"amount": "much", "per": "day"}, "limit = 'much': allowed is an amount in USD"),
        ({"amount": "5", "per": "fortnight"}, "allowed is"),
        ({"amount": "5", "per": "day", "for": "claude"}, "for = claude: allowed is NAME=PATTERN"),
        ({"amount": "5", "per": "day", "for": 'model="x'}, "No closing quotation"),
        ({"amount": "5", "per": "day", "on_limit": "explode"}, "allowed is block, warn"),
        ({"amount": "5", "per": "day", "on_limit": "fallback"}, "allowed is block, warn"),
    ],
)
def test_what_is_no_budget(controlled: Client, home: Home, form: dict[str, str], told: str) -> None:
    answer = controlled.post("/budgets", {"do": "set-budget", **form})
    assert answer.status == 400
    assert told in answer.text
    assert "There is no budget" in controlled.page("/budgets").text


def test_a_budget_of_the_settings_is_removed_there(controlled: Client, home: Home) -> None:
    home.settings.write_text('[[budget]]\nname = "all"\nlimit = 3\nper = "week"\n')
    assert "settings" in row(controlled.page("/budgets").body, "all/")
    answer = controlled.post("/budgets", {"do": "remove-budget", "name": "all"})
    assert answer.status == 400
    assert "is from the settings file" in answer.text


def test_an_alert_is_added_muted_and_removed(controlled: Client, home: Home) -> None:
    form = {"do": "add-alert", "condition": "spend > 0.01 / day", "to": "desktop", "name": "dear"}
    assert controlled.post("/budgets", form).status == 303
    assert str(load(home).alert["dear"].condition) == "spend > $0.01 / day"
    told = row(controlled.page("/budgets").body, "dear")
    with reading(home.database) as log:
        (standing,) = standings(home, load(home), log, time.time())
    assert standing.now != "–"
    assert standing.now in told
    assert "muted" not in told

    mute = {"do": "mute-alert", "name": "dear"}
    assert controlled.post("/budgets", {**mute, "for": "1h"}).status == 303
    assert "muted until" in row(controlled.page("/budgets").body, "dear")
    assert controlled.post("/budgets", {**mute, "for": "1 year"}).status == 400
    assert controlled.post("/budgets", {"do": "unmute-alert", "name": "dear"}).status == 303
    assert "muted" not in row(controlled.page("/budgets").body, "dear")
    assert controlled.post("/budgets", mute).status == 303
    with reading(home.database) as log:
        (standing,) = standings(home, load(home), log, time.time())
    assert (standing.is_muted, standing.muted_until) == (True, None)

    assert controlled.post("/budgets", {"do": "remove-alert", "name": "dear"}).status == 303
    assert load(home).alert == {}
    assert controlled.post("/budgets", {"do": "remove-alert", "name": "dear"}).status == 400


def test_what_is_no_alert(controlled: Client, home: Home) -> None:
    form = {"do": "add-alert", "condition": "spend > 5 / fortnight", "to": "desktop"}
    answer = controlled.post("/budgets", form)
    assert answer.status == 400
    assert "fortnight" in answer.text
    assert not home.settings.exists()
    assert controlled.post("/budgets", {"do": "everything"}).status == 400


def test_alerts_of_the_command_line_are_the_same(
    controlled: Client, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alert", "add", "unpriced > 0 / day", "--to", "desktop"]) == 0
    assert "unpriced > 0 / day" in controlled.page("/budgets").text
    assert main(["alert", "rm", "calls-without-a-price-day"]) == 0
    assert "There is no alert" in controlled.page("/budgets").text


def test_who_only_looks_changes_nothing(home: Home) -> None:
    home.settings.write_text('[alert.a]\nwhen = "spend > 5 / day"\nto = "desktop"\n')
    with serving(home, read_only=True) as dashboard:
        client = opened(dashboard)
        page = client.page("/budgets")
        assert 'action="/budgets"' not in page.body
        assert "spend > $5 / day" in page.text
        answer = client.post("/budgets", {"do": "remove-alert", "name": "a"})
        assert answer.status == 400
        assert "only reads" in answer.text
    assert list(load(home).alert) == ["a"]


def test_another_site_changes_nothing(controlled: Client, home: Home) -> None:
    form = {"do": "set-budget", "amount": "20", "per": "day"}
    assert controlled.post("/budgets", form, xsrf=False).status == 403
    assert not home.budgets.exists()


def test_unpriced_models_stand_in_front(visitor: Client, filled: Home) -> None:
    page = visitor.page("/prices?since=all")
    with reading(filled.database) as log:
        (unpriced,) = log.unpriced(Filter())
    assert unpriced["model"] == "gpt-unheard-of"
    told = row(page.body, f"openai/gpt-unheard-of/{unpriced['reason']}")
    assert f" {unpriced['calls']} " in told
    assert page.body.index("gpt-unheard-of") < page.body.index("claude-opus-4-5")


def test_prices_have_their_dates_and_source(visitor: Client) -> None:
    page = visitor.page("/prices?find=claude-opus-4-5")
    told = row(page.body, "anthropic/claude-opus-4-5")
    assert "anthropic 5 0.5 6.25 25" in told
    assert re.search(r"20\d\d-\d\d-\d\d", told)
    assert "https://" in page.body
    one = visitor.page("/prices/anthropic/claude-opus-4-5")
    assert "25 per 1M tokens" in one.text
    assert visitor.get("/prices/anthropic/nothing").status == 404


def test_what_if(
    visitor: Client,
    filled: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LLMITM_HOME", str(filled.folder))
    capsys.readouterr()
    assert main(["price", "whatif", "--model", "gpt-5-mini", "--provider", "openai", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    page = visitor.page("/prices?since=all&model_there=gpt-5-mini")
    then = found["total"]["whatif_nanousd"] / 1e9
    assert f"${then:.4f}" in page.text
    assert f"{found['total']['difference_percent']:+.0f}%" in page.text
    assert "llmitm price whatif --model gpt-5-mini" in page.text
    batch = visitor.page("/prices?since=all&tier=batch")
    assert "the same models, batch" in batch.text
    cached = visitor.page("/prices?since=all&cached=7d")
    assert "with our cache, 7d" in cached.text
    assert "llmitm price whatif --cached 7d" in cached.text
    some = visitor.page("/prices?since=7d&tier=batch&model=claude*&provider=anthropic")
    told = "llmitm price whatif --tier batch --since 7d --of 'claude*' --of-provider anthropic"
    assert told in some.text
    assert visitor.get("/prices?since=all&cached=7d&tier=batch").status == 400
    answer = visitor.get("/prices?since=all&model_there=nothing-like-it")
    assert answer.status == 400
    assert "no price for model" in answer.text


def test_setup(controlled: Client, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    page = controlled.page("/setup")
    assert "no proxy runs" in page.text
    assert 'eval "$(llmitm env)"' in page.text
    assert not home.ca_certificate.exists()
    assert "export OPENAI_BASE_URL=" in page.text
    assert "OpenAI/Python 2.54.0" in page.text
    assert main(["env", "-f", "fish"]) == 0
    told = capsys.readouterr().out
    assert f"set -gx SSL_CERT_FILE '{home.bundle}" in told or "set -gx" in told
    assert "set -gx HTTPS_PROXY" in controlled.page("/setup").text


def test_programs_and_days(everything: Dashboard, filled: Home) -> None:
    from llmitm.store.clients import clients

    with reading(filled.database) as log:
        found = {each.name: each for each in clients(log, 10)}
        sums = {each.by[0]: each for each in log.sums(Filter(), ["client"])}
    assert {name: each.calls for name, each in found.items()} == {
        name: each.calls for name, each in sums.items()
    }
    today = datetime.now(UTC).date()
    for each in found.values():
        assert datetime.fromtimestamp(each.last_day / 1000, UTC).date() <= today
        assert each.first_day <= each.last_day


def test_what_is_copied_into_a_shell_is_quoted(visitor: Client, filled: Home) -> None:
    """A link that somebody sends must not put a command of theirs on the clipboard."""
    harm = "x; rm -rf ~"
    page = visitor.page(f"/workflows?since=all&by={quote(harm)}")
    assert shlex.quote(harm) in html.unescape(page.body)
    page = visitor.page(f"/models?since=all&model={quote(harm)}")
    assert f"--model {shlex.quote(harm)}" in html.unescape(page.body)


def test_a_run_that_is_held_goes_on(controlled: Client, home: Home) -> None:
    file, now = RunawayFile(home.runaways), time.time()
    words = "the tool call read_file was made 12 times in a row"
    file.add(Runaway("01RUN", "tool_call", now, words, "--run 01RUN", "hold"))
    shown = row(controlled.page("/budgets").body, f"01RUN/{int(now * 1000)}")
    assert words in shown
    assert "held" in shown
    assert controlled.post("/budgets", {"do": "resume-run", "name": "01RUN"}).status == 303
    assert file.holds(now) == []
    assert "goes on" in row(controlled.page("/budgets").body, f"01RUN/{int(now * 1000)}")
