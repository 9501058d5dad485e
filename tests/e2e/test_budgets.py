"""Budgets through a real proxy: what is spent, by the provider's own count, never goes beyond the limit."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.charging import NANO, Charging, Crowd
from e2e.peers import Upstream
from harness import running_proxy, until
from llmitm.home import Home

FITS = 100
"""Calls for which there is money."""
ONE = f"""
[[budget]]
name = "all"
limit = "{NANO * FITS / 1e9:.9f}"
per = "total"
"""
THREE = (
    ONE
    + f"""
[[budget]]
name = "openai"
limit = "{NANO * FITS * 3 / 1e9:.9f}"
per = "month"
provider = "openai"

[[budget]]
name = "mini"
limit = "{NANO * (FITS + 2) / 1e9:.9f}"
per = "24h"
model = "gpt-4o-mini*"
each = "user"
"""
)


@pytest.fixture
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    found = Upstream(tmp_path_factory.mktemp("upstream"), ["http/1.1"])
    yield found
    found.close()


def home(tmp_path: Path, settings: str) -> Home:
    found = Home(tmp_path / "llmitm")
    found.create()
    found.settings.write_text(settings)
    return found


def check(crowd: Crowd, charging: Charging, least: int = 95) -> None:
    assert charging.spent <= NANO * FITS
    assert charging.charged >= least, (charging, crowd.statuses)
    assert set(crowd.statuses) <= {200, 429, "broken"}
    assert all(message.startswith("llmitm: the budget ") for message in crowd.refusals), (
        crowd.refusals[:3]
    )


@pytest.mark.parametrize("settings", [ONE, THREE], ids=["one", "three"])
def test_a_crowd_spends_no_more_than_there_is(
    settings: str, upstream: Upstream, tmp_path: Path
) -> None:
    charging, crowd = Charging(), Crowd()
    with (
        upstream.serving(charging),
        running_proxy("llmitm", home(tmp_path, settings), upstream, more=["--quiet"]) as proxy,
    ):
        crowd.start(proxy.port)
        crowd.join()
        assert "Traceback" not in proxy.said()
    check(crowd, charging)
    assert crowd.statuses["broken"] == 0
    assert crowd.statuses[200] == charging.answered == charging.charged


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "kill -9"])
@pytest.mark.parametrize("settings", [ONE, THREE], ids=["one", "three"])
def test_a_proxy_that_ends_in_the_middle_forgets_nothing(
    number: signal.Signals, settings: str, upstream: Upstream, tmp_path: Path
) -> None:
    charging, crowd = Charging(), Crowd()
    place = home(tmp_path, settings)
    with upstream.serving(charging):
        with running_proxy("llmitm", place, upstream, more=["--quiet"]) as proxy:
            crowd.start(proxy.port)
            until(lambda: charging.answered >= FITS // 3)
            crowd.stop.set()
            proxy.stop(number)
        crowd.join()
        with running_proxy("llmitm", place, upstream, more=["--quiet"]) as proxy:
            crowd.start(proxy.port)
            crowd.join()
            assert "Traceback" not in proxy.said()
    check(crowd, charging)


def test_two_proxies_share_what_there_is(upstream: Upstream, tmp_path: Path) -> None:
    charging, crowds = Charging(), [Crowd(500, 50), Crowd(500, 50)]
    place = home(tmp_path, ONE)
    with (
        upstream.serving(charging),
        running_proxy("llmitm", place, upstream, more=["--quiet"]) as one,
        running_proxy("llmitm", place, upstream, more=["--quiet"]) as other,
    ):
        for crowd, proxy in zip(crowds, (one, other), strict=True):
            crowd.start(proxy.port)
        for crowd in crowds:
            crowd.join()
            check(crowd, charging)
