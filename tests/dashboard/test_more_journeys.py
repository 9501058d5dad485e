"""Reports, budgets, alerts, prices and setup in a real Chromium, on a log that has something of everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.browser import CHROMIUM, DRIVER, WHY_NOT, Browser, chromium
from dashboard.filled import fill
from dashboard.serving import serving
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home
from llmitm.settings import load

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
PATHS = (
    "/models?since=all",
    "/users?since=all",
    "/users/ada?since=7d",
    "/workflows?since=all",
    "/workflows?since=all&by=team",
    "/reliability?since=all",
    "/cache?since=all",
    "/budgets",
    "/prices?since=all&model_there=gpt-5-mini",
    "/prices?find=claude",
    "/prices/anthropic/claude-opus-4-5",
    "/setup",
)

pytestmark = pytest.mark.skipif(not (DRIVER and CHROMIUM), reason=WHY_NOT)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """A browser."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder with a log, a budget and an alert."""
    place = Home(tmp_path)
    fill(place.database, time.time(), 60, 0.5)
    place.settings.write_text(
        '[[budget]]\nname = "all"\nlimit = 1\nper = "week"\n\n'
        '[alert.dear]\nwhen = "spend > 5 / day"\nto = "desktop"\n'
    )
    return place


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_screen(
    chrome: Browser, everything: Dashboard, width: int
) -> None:
    chrome.fetched()
    chrome.go(everything.url)
    chrome.resize(width)
    for path in PATHS:
        chrome.go(origin(everything) + path)
        assert chrome.script("return document.documentElement.scrollWidth") == width, path
    assert chrome.complaints() == []
    fetched = [url for url in chrome.fetched() if not url.startswith(("data:", "about:", "chrome"))]
    assert [url for url in fetched if not url.startswith(origin(everything))] == []


@pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is not installed: run npm install in tests/node"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(
    chrome: Browser, everything: Dashboard, home: Home, scheme: str
) -> None:
    chrome.prefer(scheme)
    chrome.resize(1280)
    assert findings(chrome, everything, PATHS) == []
    with serving(home) as with_budgets:
        assert findings(chrome, with_budgets, ["/budgets"]) == []


def test_a_budget_and_an_alert_are_edited(chrome: Browser, home: Home) -> None:
    chrome.resize(1280)
    with serving(home) as dashboard:
        chrome.go(dashboard.url)
        chrome.press("g", "b")
        chrome.until(lambda: chrome.url.endswith("/budgets"), "the page")
        chrome.fill("#budget-form input[name=amount]", "7.50")
        chrome.fill("#budget-form input[name=for]", "user=ada")
        chrome.click("#budget-form button")
        chrome.until(lambda: chrome.count("[data-row='ada-day/']") == 1, "the budget")
        assert "$7.50 a day" in chrome.texts("[data-row='ada-day/']")[0]
        assert "user=ada" in chrome.texts("[data-row='ada-day/']")[0]

        chrome.click("[data-row='ada-day/'] td a")
        chrome.until(lambda: "/calls?" in chrome.url, "its calls")
        assert "user=ada" in chrome.url

        chrome.go(f"{origin(dashboard)}/budgets")
        chrome.click("[data-row='ada-day/'] button")
        chrome.until(lambda: chrome.count("[data-row='ada-day/']") == 0, "it is gone")
        assert chrome.count("[data-row='all/']") == 1

        chrome.click("[data-row='dear'] button[aria-label='mute dear']")
        chrome.until(lambda: "muted until" in chrome.texts("[data-row='dear']")[0], "muted")
        chrome.click("[data-row='dear'] button[aria-label='remove the alert dear']")
        chrome.until(lambda: chrome.count("[data-row='dear']") == 0, "no alert")
        chrome.fill("#alert-form input[name=condition]", "error rate > 5% / 1h")
        chrome.click("#alert-form button")
        chrome.until(lambda: chrome.count("[data-row='error-rate-1h']") == 1, "an alert")
    assert list(load(home).alert) == ["error-rate-1h"]
    assert chrome.complaints() == []


def test_a_budget_needs_no_script(home: Home) -> None:
    with serving(home) as dashboard, chromium(scripts=False) as window:
        window.go(dashboard.url)
        window.go(f"{origin(dashboard)}/budgets")
        window.fill("#budget-form input[name=amount]", "3")
        window.click("#budget-form button")
        window.until(lambda: window.count("[data-row='day/']") == 1, "the budget")


def test_prices_are_compared(chrome: Browser, everything: Dashboard) -> None:
    chrome.resize(1280)
    chrome.go(everything.url)
    chrome.go(f"{origin(everything)}/prices?since=7d")
    chrome.fill("#whatif input[name=model_there]", "gpt-5-mini")
    chrome.click("#whatif button")
    chrome.until(lambda: "model_there=gpt-5-mini" in chrome.url, "an address of its own")
    assert "since=7d" in chrome.url
    assert "ON OPENAI/GPT-5-MINI" in chrome.text.upper()
    assert chrome.complaints() == []


def test_a_step_leads_to_its_calls(chrome: Browser, everything: Dashboard) -> None:
    chrome.resize(1280)
    chrome.go(everything.url)
    chrome.go(f"{origin(everything)}/workflows?since=all")
    calls = chrome.texts("[data-row='/triage/route'] td:nth-child(2)")[0]
    chrome.click("[data-row='/triage/route'] a")
    chrome.until(lambda: "/calls?" in chrome.url, "the calls")
    assert chrome.count("[data-rows] tbody tr[data-row]") == min(int(calls), 50)
    assert chrome.complaints() == []


def origin(dashboard: Dashboard) -> str:
    return f"http://127.0.0.1:{dashboard.port}"


def findings(
    chrome: Browser, dashboard: Dashboard, paths: tuple[str, ...] | list[str]
) -> list[object]:
    """Return what axe-core finds serious on some pages."""
    chrome.go(dashboard.url)
    found: list[object] = []
    for path in paths:
        chrome.go(origin(dashboard) + path)
        chrome.script("for (const each of document.querySelectorAll('details')) each.open = true")
        chrome.script(AXE.read_text())
        violations = chrome.script_later(
            "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then("
            "result => done(result.violations.map(each => [each.impact, each.id, each.nodes[0].html])))"
        )
        found += [(path, *each) for each in violations if each[0] in ("serious", "critical")]
    return found
