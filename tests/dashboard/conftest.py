"""A log with calls of several kinds, and a dashboard that shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.logged import write
from dashboard.serving import Client, opened, serving
from llmitm.dashboard.server import Dashboard
from llmitm.home import Home


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with a log that nobody writes to."""
    home = Home(tmp_path_factory.mktemp("dashboard"))
    write(home.database, time.time())
    return home


@pytest.fixture(scope="session")
def shown(logged: Home) -> Iterator[Dashboard]:
    """A dashboard of that log."""
    with serving(logged) as dashboard:
        yield dashboard


@pytest.fixture
def client(shown: Dashboard) -> Client:
    """A client of that dashboard."""
    return opened(shown)


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    """A folder without a log."""
    return Home(tmp_path)
