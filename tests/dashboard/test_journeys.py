"""What people do with the dashboard, in a real Chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.browser import CHROMIUM, DRIVER, WHY_NOT, Browser, chromium
from dashboard.logged import SESSION, SINGLE, TURNS, one_more, write
from dashboard.serving import serving
from llmitm.dashboard.pages import pages
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home
from llmitm.store.filters import Filter
from llmitm.store.reader import reading
from llmitm.store.writer import Writer

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
ROWS = "[data-rows] tbody tr[data-row]"

pytestmark = pytest.mark.skipif(not (DRIVER and CHROMIUM), reason=WHY_NOT)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """A browser."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def window(chrome: Browser, shown: Dashboard) -> Iterator[Browser]:
    """A window with the dashboard; at the end it must have had nothing to complain of, and asked nobody else."""
    chrome.resize(1280)
    chrome.prefer("light")
    chrome.complaints()
    chrome.fetched()
    chrome.go(shown.url)
    yield chrome
    assert chrome.complaints() == []
    fetched = [url for url in chrome.fetched() if not url.startswith(("data:", "about:"))]
    assert fetched
    assert [url for url in fetched if not url.startswith(origin(shown))] == []


def origin(dashboard: Dashboard) -> str:
    return f"http://127.0.0.1:{dashboard.port}"


def call_of_agent(home: Home, number: int) -> str:
    with reading(home.database) as log:
        return str(log.recent(Filter(session=SESSION), 10)[::-1][number]["id"])


def test_filter(window: Browser, shown: Dashboard) -> None:
    window.go(f"{origin(shown)}/calls?since=all")
    window.fill("#filter", "user:grace status:>=400")
    window.press("enter")
    window.until(lambda: "user=grace" in window.url, "the filter is in the address")
    assert set(window.texts(f"{ROWS} .user")) == {"grace"}
    assert window.count(ROWS) == window.count(f"{ROWS} .mark.error")
    window.click(".facets a[aria-current]")
    window.until(
        lambda: "user=grace" not in window.url or "status" not in window.url, "one is gone"
    )


def test_drill_down(window: Browser) -> None:
    assert "token" not in window.url
    window.click(".legend a")
    window.until(lambda: "/calls" in window.url, "the calls of the model")
    model = window.attribute("#filter", "value")
    assert model is not None
    assert model.startswith("model:")
    window.click(f"{ROWS} a")
    window.until(lambda: window.count(".tabs") == 1, "the call")
    for tab in ("cost", "timing", "raw"):
        window.script("document.querySelector(arguments[0]).click()", f".tabs a[href$='/{tab}']")
        window.until(lambda tab=tab: window.url.endswith(f"/{tab}"), tab)  # type: ignore[misc]
    assert "request" in window.text


def test_a_row_appears_by_itself(tmp_path: Path, chrome: Browser) -> None:
    home = Home(tmp_path)
    write(home.database, time.time())
    chrome.complaints()
    with serving(home) as dashboard:
        chrome.go(dashboard.url)
        chrome.go(f"{origin(dashboard)}/calls")
        before = chrome.texts(f"{ROWS} .what")
        assert "A question that just came" not in before[0]
        chrome.script("window.still = document.querySelector('#filter')")
        # The page has to have seen the log as it was.
        chrome.until(lambda: chrome.script("return last !== null"), "it looks")
        writer = Writer(home.database)
        writer.write([one_more(time.time())])
        writer.close()
        chrome.until(
            lambda: "A question that just came" in chrome.texts(f"{ROWS} .what")[0], "it is there"
        )
        assert chrome.script("return window.still === document.querySelector('#filter')")
        assert chrome.count("tr.fresh") == 1
        chrome.go(f"{origin(dashboard)}/now")
        chrome.click("[data-live-switch]")
        assert chrome.attribute("[data-live-switch]", "aria-pressed") == "false"
        chrome.click("[data-live-switch]")
        chrome.go("about:blank")
    assert chrome.complaints() == []


def test_a_budget_is_set_and_taken_away(tmp_path: Path, chrome: Browser) -> None:
    home = Home(tmp_path)
    write(home.database, time.time())
    chrome.complaints()
    with serving(home) as dashboard:
        chrome.go(dashboard.url)
        chrome.press("g", pages()["budgets"].key)
        chrome.until(lambda: chrome.count("#budget-form") == 1, "the page")
        chrome.fill("#budget-form [name=amount]", "0.05")
        chrome.fill("#budget-form [name=for]", "user=ada")
        chrome.fill("#budget-form [name=name]", "adas")
        chrome.click("#budget-form > button")
        chrome.until(lambda: chrome.count("#budgets tr[data-row^=adas]") == 1, "it is listed")
        assert "$0.05" in chrome.texts("#budgets tr[data-row^=adas]")[0]
        chrome.click("#budgets tr[data-row^=adas] button")
        chrome.until(lambda: chrome.count("#budgets tr[data-row^=adas]") == 0, "it is gone")
        chrome.go("about:blank")
    assert chrome.complaints() == []


def test_difference_of_two_turns(window: Browser, shown: Dashboard, logged: Home) -> None:
    window.go(f"{origin(shown)}/runs?kind=session")
    window.click(f"{ROWS} .run-name a")
    window.until(lambda: window.count(".lanes") == 1, "the session")
    assert window.count(ROWS) == TURNS
    window.script("document.querySelectorAll('a[href$=\"/changes\"]')[4].click()")
    window.until(lambda: window.count(".diff") > 0, "what changed")
    assert "− You are a careful agent." in window.texts(".diff del")
    assert "+ You are a very careful agent." in window.texts(".diff ins")
    assert window.url == f"{origin(shown)}/calls/{call_of_agent(logged, 5)}/changes"


def test_keys(window: Browser, shown: Dashboard) -> None:
    window.press("g", "c")
    window.until(lambda: "/calls" in window.url, "g c")
    window.press("j", "j", "j", "k")
    assert window.count("tr.chosen") == 1
    chosen = window.attribute("tr.chosen a", "href")
    assert chosen == window.script(
        "return document.querySelectorAll(arguments[0])[1].querySelector('a').getAttribute('href')",
        ROWS,
    )
    window.press("enter")
    window.until(lambda: window.url.endswith(str(chosen)), "enter")
    window.press("u")
    window.until(lambda: window.count(ROWS) > 0, "u")
    window.press("/")
    assert window.script("return document.activeElement.id") == "filter"
    window.press("j", "escape", "?")
    assert window.script("return document.getElementById('keys').open") is True
    window.press("escape")
    assert window.attribute("#filter", "value") == ""
    window.press("]", "[")
    window.until(lambda: "before=" in window.url, "the older page")
    window.press("]")
    window.until(lambda: "before=" not in window.url, "back again")
    for key, page in [(page.key, name) for name, page in pages().items()]:
        window.press("g", key)
        window.until(lambda page=page: f"/{page}" in window.url, page)  # type: ignore[misc]


def test_light_and_dark(window: Browser, shown: Dashboard) -> None:
    ground = "return getComputedStyle(document.documentElement).backgroundColor"
    light = window.script(ground)
    window.prefer("dark")
    dark = window.script(ground)
    assert light != dark
    window.click(".theme button[value=light]")
    window.until(lambda: window.script(ground) == light, "light although the system is dark")
    window.go(f"{origin(shown)}/runs")
    assert window.script(ground) == light
    window.press("t")
    window.until(lambda: window.script(ground) == dark, "t is dark")
    window.press("t")
    window.until(lambda: window.attribute("html", "data-theme") == "auto", "as the system")
    window.go(f"{origin(shown)}/runs")
    assert window.attribute("html", "data-theme") == "auto"


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_screen(
    window: Browser, shown: Dashboard, logged: Home, width: int
) -> None:
    window.resize(width)
    for path in every_page(logged):
        window.go(f"{origin(shown)}{path}")
        assert window.script("return document.documentElement.scrollWidth") == width, path


def test_tips(window: Browser) -> None:
    window.script(
        "document.querySelector('.slot').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    assert window.script("return document.getElementById('tip').hidden") is False
    assert "$" in window.texts("#tip")[0]


def test_without_a_script(shown: Dashboard, logged: Home) -> None:
    with chromium(scripts=False) as window:
        window.go(shown.url)
        assert window.count("html.scripted") == 0
        assert window.count(".slot") > 0
        assert window.count(ROWS) == 15
        assert not any(window.texts("[data-live-switch]"))
        window.go(f"{origin(shown)}/calls?since=all")
        window.fill("#filter", "user:linus")
        window.click(".line button")
        window.until(lambda: "user=linus" in window.url, "a form needs no script")
        window.click(f"{ROWS} a")
        window.until(lambda: window.count(".message") > 0, "the call")
        window.click(".theme button[value=dark]")
        window.until(lambda: window.attribute("html", "data-theme") == "dark", "dark")
        window.go(f"{origin(shown)}/calls/{call_of_agent(logged, 3)}")
        window.click("details.known-before summary")
        assert "Do step 0" in window.text


def test_the_token_is_asked_for(shown: Dashboard) -> None:
    with chromium() as window:
        for path in ("/", "/calls/last", "/?token=wrong"):
            window.go(f"{origin(shown)}{path}")
            assert window.count("nav") == 0
            assert "token" in window.text
        window.go(shown.url)
        assert window.count("nav") > 0
        cookies = window.script("return document.cookie")
        assert shown.keys.session not in cookies


def test_harm_does_none(window: Browser, shown: Dashboard, logged: Home) -> None:
    with reading(logged.database) as log:
        call = log.recent(Filter(text="evil"), 1)[0]["id"]
    for path in (f"/calls/{call}", f"/calls/{call}/raw", "/runs?kind=thread", "/calls?since=all"):
        window.go(f"{origin(shown)}{path}")
        assert "harm" not in window.script("return document.title")
        assert window.count("main img") == 0
    assert "⟨RLO⟩evil⟨PDF⟩" in window.script("return document.body.textContent")


def test_the_policy_holds(chrome: Browser, shown: Dashboard) -> None:
    """What somebody brings into a page is not run: neither a script, nor a style, nor a picture of elsewhere."""
    chrome.go(shown.url)
    chrome.complaints()
    chrome.script(
        """
        for (const harm of ['<img src="https://example.invalid/x.png">', '<b style="color:red">x</b>']) {
            const place = document.createElement("div");
            place.innerHTML = harm;
            document.body.append(place);
        }
        const script = document.createElement("script");
        script.textContent = "document.title = 'harm'";
        document.body.append(script);
        """
    )
    chrome.until(lambda: len(chrome.script("return document.title")) > 0, "it is there")
    assert "harm" not in chrome.script("return document.title")
    complaints = " ".join(chrome.complaints())
    assert complaints.count("Content Security Policy") >= 3


def every_page(home: Home) -> list[str]:
    call = call_of_agent(home, 5)
    tabs = [
        f"/calls/{call}/{tab}"
        for tab in ("conversation", "changes", "cost", "timing", "attempts", "raw")
    ]
    inside = [f"/runs/session/{SESSION}", f"/runs/thread/{call_of_agent(home, 0)}"]
    return [
        *(f"/{name}" for name in pages()),
        "/runs?kind=thread",
        *tabs,
        *inside,
    ]


@pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is not installed: run npm install in tests/node"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(window: Browser, shown: Dashboard, logged: Home, scheme: str) -> None:
    window.prefer(scheme)
    found = []
    for path in every_page(logged):
        window.go(f"{origin(shown)}{path}")
        window.script("for (const each of document.querySelectorAll('details')) each.open = true")
        window.script(AXE.read_text())
        violations = window.script_later(
            "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then("
            "result => done(result.violations.map(each => [each.impact, each.id, each.nodes[0].html])))"
        )
        found += [(path, *each) for each in violations if each[0] in ("serious", "critical")]
    assert found == []


def test_figures_are_those_of_the_log(window: Browser) -> None:
    tile = window.texts(".tile")[1]
    assert re.search(rf"\b{SINGLE + TURNS}\b", tile)
