"""What pages say, over plain HTTP: that it is what the log holds, that it links to it, and that it is harmless."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboard.logged import AGENT, HARM, RUN, SEEN, SESSION, SINGLE, TURNS
from dashboard.serving import Client, opened, serving
from llmitm.dashboard.pages import pages
from llmitm.home import Home
from llmitm.store.filters import Filter
from llmitm.store.reader import reading


def rows(body: str) -> list[str]:
    return re.findall(r"<tr data-row=.*?</tr>", body, re.DOTALL)


def links(body: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(r'href="(/[^"]*)"', body)]


def latest(home: Home, **wanted: str) -> dict[str, object]:
    with reading(home.database) as log:
        return log.recent(Filter(**wanted), 1)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(pages()))
def test_every_page_is_whole_without_a_script(client: Client, name: str) -> None:
    page = client.page(f"/{name}")
    for needed in ("<h1", '<main id="main"', 'aria-current="page"', 'id="command"', "llmitm "):
        assert needed in page.body, needed
    assert "style=" not in page.body
    assert not re.search(r"<script(?! src=\"/static/app.js\" defer>)", page.body)
    assert not re.search(r"\son\w+=", re.sub(r">[^<]*<", "><", page.body))


@pytest.mark.parametrize("name", list(pages()))
def test_every_page_bears_a_log_that_is_not_there(empty: Home, name: str) -> None:
    with serving(empty) as dashboard:
        answer = opened(dashboard).get(f"/{name}")
    if pages()[name].needs_log:
        assert answer.status == 404
        assert "llmitm run" in answer.text
    else:
        assert answer.status == 200


def test_now_adds_up(client: Client, logged: Home) -> None:
    page = client.page("/now?since=24h")
    with reading(logged.database) as log:
        (sums,) = log.sums(Filter())
    assert (
        f"${sums.cost_nanousd / 1e9:,.4f}"[:6] in page.text
        or f"${sums.cost_nanousd / 1e9:,.2f}" in page.text
    )
    tile = re.search(r"<h3>calls.*?<p class=\"value\">(.*?)</p>", page.body, re.DOTALL)
    assert tile is not None
    assert str(SINGLE + TURNS) in tile[1]
    assert len(rows(page.body)) == 15


@pytest.mark.parametrize("by", ["model", "provider", "user", "client", "run", "property:workflow"])
@pytest.mark.parametrize("every", ["hour", "5 minutes"])
def test_bars_lead_to_their_calls(client: Client, by: str, every: str) -> None:
    """The number on a bar is the number of calls that its link shows."""
    page = client.page(f"/now?since=24h&what=calls&by={by}&every={every.replace(' ', '%20')}")
    bars = re.findall(r'<a href="([^"]*)" tabindex="-1" aria-label="([^"]*): (\d+)">', page.body)
    assert bars
    link, _, number = max(bars, key=lambda bar: int(bar[2]))
    shown = client.page(html.unescape(link))
    if by not in ("run", "property:workflow"):
        assert len(rows(shown.body)) == int(number)


@pytest.mark.parametrize("every", ["hour", "day"])
def test_the_same_in_every_division(client: Client, every: str) -> None:
    page = client.page(f"/now?since=7d&what=calls&by=model&every={every}")
    figures = re.findall(r"</a><b>(\d+)</b>", page.body)
    assert sum(map(int, figures)) == SINGLE + TURNS


def test_the_table_pages_by_key_and_misses_nothing(client: Client, logged: Home) -> None:
    seen: list[str] = []
    path: str | None = "/calls?since=all"
    pages_back = []
    while path is not None:
        page = client.page(path)
        seen += re.findall(r'data-row="(\d+)"', page.body)
        older = re.search(r'rel="prev" href="([^"]*)"', page.body)
        newer = re.search(r'rel="next" href="([^"]*)"', page.body)
        pages_back.append(html.unescape(newer[1]) if newer else None)
        path = html.unescape(older[1]) if older else None
    with reading(logged.database) as log:
        wanted = [str(call["key"]) for call in log.recent(Filter(), 1_000)]
    assert seen == wanted
    assert pages_back[0] is None
    assert len(pages_back) == 3
    back = client.page(str(pages_back[-1]))
    assert re.findall(r'data-row="(\d+)"', back.body) == wanted[50:100]
    first = client.page(str(pages_back[1]))
    assert re.findall(r'data-row="(\d+)"', first.body) == wanted[:50]


def test_calls_of_the_same_millisecond_are_all_on_some_page(tmp_path: object) -> None:
    from pathlib import Path

    from llmitm.store import charts
    from llmitm.store.writer import Writer
    from store.records import chat

    assert isinstance(tmp_path, Path)
    writer = Writer(tmp_path / "llmitm.db")
    writer.write([chat(f"q{number}", "a", at=1_764_000_000.0) for number in range(60)])
    writer.close()
    with reading(tmp_path / "llmitm.db") as log:
        seen: list[int] = []
        before = None
        while True:
            found = charts.page(log, Filter(), 7, before)
            seen += [call["key"] for call in found[:7]]
            if len(found) <= 7:
                break
            before = found[6]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 60


FILTERS = {
    "user:ada": Filter(user="ada"),
    "model:claude*": Filter(model="claude*"),
    "status:>=400": Filter(status=">=400"),
    "is:error": Filter(errors=True),
    "workflow:triage user:grace": Filter(user="grace", properties={"workflow": "triage"}),
    f"session:{SESSION}": Filter(session=SESSION),
    f"run:{RUN}": Filter(run=RUN),
    "provider:mistral tag:nightly": Filter(provider="mistral", properties={"tag": "nightly"}),
    '"Question 17"': Filter(text='"Question 17"'),
}


@pytest.mark.parametrize("line", FILTERS)
def test_the_filter_line_finds_what_the_reader_finds(
    client: Client, logged: Home, line: str
) -> None:
    from urllib.parse import urlencode

    answer = client.get(f"/calls?{urlencode({'since': 'all', 'q': line})}")
    assert answer.status == 303
    address = answer.headers["location"]
    assert "q" not in parse_qs(urlsplit(address).query)
    page = client.page(address)
    with reading(logged.database) as log:
        wanted = [str(call["key"]) for call in log.recent(FILTERS[line], 50)]
    assert wanted
    assert re.findall(r'data-row="(\d+)"', page.body) == wanted
    facets = page.body.partition('class="facets"')[2]
    for link in [each for each in links(facets) if each.startswith("/calls?")][:3]:
        assert client.get(link).status == 200


def test_a_wrong_filter_is_told_and_stays_to_be_mended(client: Client) -> None:
    answer = client.get("/calls?q=status%3Asoso")
    assert answer.status == 400
    assert "status 'soso' is not known: allowed are 429, 4xx, >=400" in answer.text
    assert 'value="status:soso"' in answer.body


@pytest.mark.parametrize(
    "path", ["/nowhere", "/calls/nobody", "/runs/run/none", "/runs/what", "/calls/last/nothing"]
)
def test_what_is_not_there_is_told(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    assert "there is no" in answer.text or "no call has" in answer.text


def test_a_call_shows_who_said_what_and_what_is_new(client: Client, logged: Home) -> None:
    call = latest(logged, session=SESSION)
    page = client.page(f"/calls/{call['id']}")
    assert "Do step 7" in page.text
    assert "new in this turn" in page.text
    known, _, fresh = page.body.partition("new in this turn")
    assert "Do step 6" in known
    assert "Do step 7" in fresh
    assert f"{2 * TURNS - 1} messages that were in the turn before" in page.text
    for said in ("I think of step 7", "Step 7 is done", "make step7", "1 tools offered", SESSION):
        assert said in page.text, said


def test_changes_between_turns(client: Client, logged: Home) -> None:
    with reading(logged.database) as log:
        calls = log.recent(Filter(session=SESSION), 10)[::-1]
    page = client.page(f"/calls/{calls[5]['id']}/changes?with={calls[4]['id']}")
    assert re.search(r"<del>− You are a careful agent.</del>", page.body)
    assert re.search(r"<ins>\+ You are a very careful agent.</ins>", page.body)
    assert "Do step 5" in page.text
    assert "setting" not in page.text.partition("Against")[2]
    first = client.page(f"/calls/{calls[0]['id']}/changes")
    assert "first call of its conversation" in first.text


def test_cost_shows_its_working(client: Client, logged: Home) -> None:
    call = latest(logged, model=AGENT)
    page = client.page(f"/calls/{call['id']}/cost")
    assert "8,000" in page.text
    assert "9,000" in page.text
    assert re.search(r"cached input.*0\.5 / 1,000,000.*\$0\.004", page.text)


def test_timing_and_raw(client: Client, logged: Home) -> None:
    call = latest(logged, session=SESSION)
    timing = client.page(f"/calls/{call['id']}/timing")
    assert "until the first byte" in timing.text
    assert "0.90s" in timing.text
    raw = client.page(f"/calls/{call['id']}/raw")
    assert '"Do step 7"' in raw.text


@pytest.mark.parametrize("kind", ["run", "session", "thread"])
def test_runs(client: Client, logged: Home, kind: str) -> None:
    page = client.page(f"/runs?kind={kind}")
    address = next(
        each
        for row in rows(page.body)
        if f'<td class="n">{TURNS}</td>' in row
        for each in links(row)
    )
    inside = client.page(address)
    for said in ("Calls over time", "Cost up to each moment", "read from the provider", "$0.0800"):
        assert said in inside.text, said
    assert len(rows(inside.body)) == TURNS
    assert inside.body.count('class="c-anthropic"') == TURNS


@pytest.mark.parametrize("tab", ["", "/changes", "/raw", "/timing", "/cost", "/attempts"])
def test_harm_is_shown_and_does_none(client: Client, logged: Home, tab: str) -> None:
    call = latest(logged, text="evil")
    page = client.page(f"/calls/{call['id']}{tab}")
    assert "<script>document" not in page.body
    assert "<img" not in page.body
    assert not set(page.body) & set("\x1b\x07\u202e\u202c")
    if tab == "":
        assert SEEN in html.unescape(page.body)


def test_harm_in_tables_filters_and_addresses(client: Client) -> None:
    from urllib.parse import urlencode

    for path in ("/calls?since=all", "/now", "/runs?kind=thread"):
        body = client.page(path).body
        assert "<script>document" not in body
        assert not set(body) & set("\x1b\x07\u202e\u202c")
    for parameter in ("model", "user", "session", "tag", "q", "since", "before", "what", "kind"):
        answer = client.get(f"/calls?{urlencode({parameter: HARM})}")
        if answer.status == 303:
            answer = client.get(answer.headers["location"])
        assert "<script>document" not in answer.body
        assert "\x1b" not in answer.body
    assert "<script>document" not in client.get("/calls/%3Cscript%3Edocument").body


def test_what_is_behind_a_page_is_told(client: Client) -> None:
    page = client.page("/calls?since=all&user=ada&tag=workflow%3Dtriage")
    command = re.search(r'<code id="command">(.*?)</code>', page.body)
    assert command is not None
    assert html.unescape(command[1]) == "llmitm ls -n 50 --user ada --tag workflow=triage"
    statements = re.search(r'<pre id="statements"[^>]*>(.*?)</pre>', page.body, re.DOTALL)
    assert statements is not None
    assert "calls.user = 'ada'" in html.unescape(statements[1])


def test_the_command_of_a_page_is_one_of_the_command_line(
    client: Client,
    logged: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import shlex

    from llmitm.cli import main

    monkeypatch.setenv("LLMITM_HOME", str(logged.folder))
    turn = latest(logged, session=SESSION)["id"]
    inside = [f"/calls/{turn}{tab}" for tab in ("", "/raw", "/changes", "/cost")]
    inside += [f"/runs?kind={kind}" for kind in ("run", "session", "thread")]
    inside += [f"/runs/session/{SESSION}", f"/runs/run/{RUN}", f"/runs/thread/{turn}"]
    # The doctor and prices may have findings, and there are neither budgets nor cached answers here.
    listed = [f"/{name}" for name in pages() if name not in ("setup", "prices", "budgets", "cache")]
    for path in ("/now?every=5%20minutes", "/calls?user=ada", *inside, *listed):
        found = re.search(r'<code id="command">(.*?)</code>', client.page(path).body)
        assert found is not None
        program, *arguments = shlex.split(html.unescape(found[1]))
        assert program == "llmitm"
        assert main(arguments) == 0, found[1]
        assert capsys.readouterr().out, found[1]


def test_windows_that_refresh_at_once_share_a_page(client: Client) -> None:

    path = "/now?since=24h&what=calls"
    client.page(path)  # gives the cookie that forms need
    made = client.get(path).body
    assert client.get(path, X_Refresh="1").body == made
    assert client.get(f"{path}&by=user", X_Refresh="1").body != made
    client.cookies[f"llmitm_xsrf_{client.port}"] = "2|00000000|00000000000000000000000000000000|1"
    assert client.get(path, X_Refresh="1").body != made
