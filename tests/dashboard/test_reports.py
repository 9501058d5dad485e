"""Models, users, workflows, reliability and the cache say what the log holds, and link to the calls behind it."""

from __future__ import annotations

import html
import re
import time
from datetime import datetime, timedelta

import pytest
from markupsafe import escape

from dashboard.filled import fill, keep_answers
from dashboard.serving import Client, opened, serving
from llmitm.answers import inventory
from llmitm.cli.output import count, money, spent
from llmitm.dashboard.pages import pages
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home
from llmitm.store import failures, steps
from llmitm.store.filters import Filter
from llmitm.store.reader import reading
from llmitm.store.writer import Writer
from store.records import chat


def row(body: str, name: str) -> str:
    """Return what the row of this name says."""
    found = re.search(rf'<tr data-row="{re.escape(str(escape(name)))}".*?</tr>', body, re.DOTALL)
    assert found is not None, name
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[0])).split())


def links(body: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(r'href="(/[^"]*)"', body)]


def test_models_have_their_sums(visitor: Client, filled: Home) -> None:
    page = visitor.page("/models?since=all")
    with reading(filled.database) as log:
        for sums in log.sums(Filter(), ["provider", "model"]):
            told = row(page.body, f"{sums.by[0]}/{sums.by[1]}")
            assert f"{count(sums.calls)} " in told
            assert spent(sums) in told
    assert "<svg" in page.body
    assert "across the cost of a call" in page.text


def test_an_order_that_is_not_known(visitor: Client) -> None:
    answer = visitor.get("/models?order=beauty")
    assert answer.status == 400
    assert "order=beauty is not known: allowed are cost, calls" in answer.text


def test_models_are_in_the_order_asked_for(visitor: Client, filled: Home) -> None:
    page = visitor.page("/models?since=all&order=calls")
    names = re.findall(r'<tr data-row="([^"]+)"', page.body)
    with reading(filled.database) as log:
        rows = sorted(log.sums(Filter(), ["provider", "model"]), key=lambda sums: -sums.calls)
    assert names[0] == f"{rows[0].by[0]}/{rows[0].by[1]}"


def test_users_have_calls_cost_latency_errors_and_models(visitor: Client, filled: Home) -> None:
    page = visitor.page("/users?since=all")
    with reading(filled.database) as log:
        for sums in log.sums(Filter(), ["user"]):
            told = row(page.body, sums.by[0])
            assert count(sums.calls) in told
            assert spent(sums) in told
            assert f"{sums.latency_ms / sums.calls / 1000:.2f}s" in told
            assert f"{sums.errors / sums.calls * 100:.1f}%" in told
        (most,) = log.sums(Filter(user="ada"), ["model"])[:1]
    assert most.by[0] in row(page.body, "ada")


def test_a_user_over_time(visitor: Client, filled: Home) -> None:
    page = visitor.page("/users/ada?since=30d&every=day")
    with reading(filled.database) as log:
        (sums,) = log.sums(Filter(user="ada"))
    assert f"calls {count(sums.calls)}" in page.text
    assert spent(sums) in page.text
    assert "as a table" in page.text
    assert any(link.startswith("/calls?since=30d&user=ada") for link in links(page.body))
    for period in ("week", "day"):
        assert "aria-current" in visitor.page(f"/users/ada?since=30d&every={period}").body


def test_a_workflow_has_its_steps_with_cost_tokens_and_latency(
    visitor: Client, filled: Home
) -> None:
    page = visitor.page("/workflows?since=all")
    with reading(filled.database) as log:
        for workflow in log.sums(Filter(), ["property:workflow"]):
            name = workflow.by[0]
            assert spent(workflow) in row(page.body, f"/{name}")
            for step in log.sums(Filter(properties={"workflow": name}), ["property:step"]):
                told = row(page.body, f"/{name}/{step.by[0]}")
                assert f" {count(step.calls)} " in told
                assert count(step.output_tokens) in told
                assert spent(step) in told
                assert f"{step.latency_ms / step.calls / 1000:.2f}s" in told


def test_workflows_by_other_properties(visitor: Client, filled: Home) -> None:
    page = visitor.page("/workflows?since=all&by=team,workflow")
    assert "blue" in row(page.body, "/blue")
    assert "triage" in row(page.body, "/blue/triage")
    answer = visitor.get("/workflows?by=a,b,c,d,e")
    assert answer.status == 400
    assert "one to 4 properties" in answer.text


def test_the_steps_of_a_filter_are_its_own(filled: Home) -> None:
    with reading(filled.database) as log:
        wanted = Filter(user="ada", model="claude*", properties={"team": "blue"})
        found = steps.tree(log, wanted, ["workflow", "step"])
        (whole,) = log.sums(wanted) or [None]
        named = log.sums(
            Filter(user="ada", model="claude*", properties={"team": "blue", "workflow": "triage"})
        )
    assert whole is not None
    assert not found.is_cut
    assert 0 < found.looked_at <= whole.calls
    node = next(node for node in found.nodes if node.value == "triage")
    assert (node.calls, node.cost_nanousd) == (named[0].calls, named[0].cost_nanousd)
    assert sum(each.calls for each in node.below) == node.calls


def test_no_property_no_workflow(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("plain"))
    writer = Writer(home.database)
    writer.write([chat("Hello", "Hi")])
    writer.close()
    with serving(home) as dashboard:
        page = opened(dashboard).page("/workflows?since=all")
    assert "No call has a property" in page.text


def test_failures_by_kind(visitor: Client, filled: Home) -> None:
    page = visitor.page("/reliability?since=all")
    with reading(filled.database) as log:
        found = failures.kinds(kind for _, kind in failures.failed(log, Filter(), "hour"))
        helped = failures.helped(log, Filter())
        (sums,) = log.sums(Filter())
    assert {kind.outcome for kind in found} == {"error", "blocked"}
    assert sum(kind.calls for kind in found) == sums.errors + sums.blocked
    for kind in found:
        assert f" {kind.calls} " in row(page.body, f"{kind.outcome} {kind.name} {kind.status}")
    assert helped.retried > helped.fallbacks > 0
    assert f"{helped.retried_ok} of {helped.retried} calls" in page.text


def test_fallbacks_and_limits(visitor: Client, filled: Home) -> None:
    page = visitor.page("/reliability?since=all")
    with reading(filled.database) as log:
        taken = failures.fallbacks(log, Filter())
    assert taken
    assert f"{taken[0]['model']} {taken[0]['provider']}" in page.text
    assert "requests a minute" in page.text


def test_failures_since_a_time(filled: Home) -> None:
    half = datetime.now().astimezone() - timedelta(days=1)
    with reading(filled.database) as log:
        late = sum(kind.calls for _, kind in failures.failed(log, Filter(since=half), "day"))
        (sums,) = log.sums(Filter(since=half, errors=True))
    assert late == sums.calls


def test_the_cache(visitor: Client, filled: Home) -> None:
    page = visitor.page("/cache?since=all")
    with reading(filled.database) as log:
        (sums,) = log.sums(Filter())
        (latest,) = log.recent(Filter(), 1)
    assert f"given again {sums.cache_hits}" in page.text
    assert money(sums.saved_nanousd) in page.text
    assert " 5 " in row(page.body, str(latest["id"]))
    assert f"/calls/{latest['id']}" in links(page.body)


def test_answers_are_taken_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("cleared"))
    fill(home.database, time.time(), 3)
    keep_answers(home.cache, time.time(), ["one", "two"])
    with serving(home) as dashboard:
        client = opened(dashboard)
        assert client.post("/cache", {"clear": "some"}).status == 400
        assert inventory.totals(home.cache, time.time()).answers == 2
        assert client.post("/cache", {"clear": "all"}, xsrf=False).status == 403
        assert client.post("/cache", {"clear": "all"}).status == 303
        assert inventory.totals(home.cache, time.time()).answers == 0
        assert "No answer is kept" in client.page("/cache").text


def test_pages_answer_filters(visitor: Client) -> None:
    for name in ("models", "users", "workflows", "reliability", "cache", "prices"):
        for query in (
            "user=ada",
            "model=claude*",
            "tag=team=blue",
            "text=garner",
            "provider=openai",
        ):
            assert visitor.get(f"/{name}?since=all&{query}").status == 200, (name, query)


def test_each_number_leads_to_its_calls(everything: Dashboard) -> None:
    client = opened(everything)
    for name in ("models", "users", "workflows", "reliability", "prices"):
        found = [
            link
            for link in links(client.page(f"/{name}?since=all").body)
            if link.startswith("/calls?")
        ]
        assert found
        for link in found[:6]:
            assert client.get(link).status == 200, link


def test_each_page_has_a_key_of_its_own() -> None:
    keys = [page.key for page in pages().values() if page.listed]
    assert len(set(keys)) == len(keys)
    assert "g" not in keys
