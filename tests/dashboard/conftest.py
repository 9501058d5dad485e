"""A log with calls of several kinds, and a dashboard that shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.filled import fill, keep_answers
from dashboard.logged import write
from dashboard.serving import Client, opened, serving
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home
from llmitm.store.filters import Filter
from llmitm.store.reader import reading


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


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with a log that has something of everything, and answers that are kept."""
    home = Home(tmp_path_factory.mktemp("filled"))
    fill(home.database, time.time(), 300)
    with reading(home.database) as log:
        names = [call["id"] for call in log.recent(Filter(), 5)]
    keep_answers(home.cache, time.time(), names)
    return home


@pytest.fixture(scope="session")
def everything(filled: Home) -> Iterator[Dashboard]:
    """A dashboard of that log."""
    with serving(filled) as dashboard:
        yield dashboard


@pytest.fixture
def visitor(everything: Dashboard) -> Client:
    """A client of that dashboard."""
    return opened(everything)
