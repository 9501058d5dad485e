"""Fixtures for all tests. Nothing here or in the tests reaches beyond the loopback interface."""

from __future__ import annotations

import importlib.metadata
import ipaddress
import platform
import sqlite3
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from llmitm.demo.provider import LocalProvider, in_thread
from llmitm.home import Home

if TYPE_CHECKING:
    from harness import Kind, ProxyProcess

_SHOWN = ("mitmproxy", "sqlite-utils", "openai", "anthropic", "google-genai", "langchain-openai")


def pytest_configure() -> None:
    """Forbid connections to other machines, for good (an audit hook cannot be taken off); time no example."""
    sys.addaudithook(_forbid_other_machines)
    # Machines that run tests are shared and noisy: how long an example takes says nothing.
    hypothesis.settings.register_profile("llmitm", deadline=None)
    hypothesis.settings.load_profile("llmitm")


def _forbid_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, str) and not _is_loopback(host):
        raise RuntimeError(f"tests may not reach {host!r}: only the loopback interface")


def _is_loopback(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def pytest_report_header() -> list[str]:
    """Print the versions on which a result depends."""
    installed = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
    versions = [f"{name} {installed.get(name, 'absent')}" for name in _SHOWN]
    runtime = f"python {platform.python_version()}, sqlite {sqlite3.sqlite_version}"
    return [f"{runtime}, {ssl.OPENSSL_VERSION}", ", ".join(versions)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home folder of the test's own, set for this process and its children."""
    folder = Home(tmp_path / "llmitm")
    monkeypatch.setenv("LLMITM_HOME", str(folder.folder))
    folder.create()
    return folder


@pytest.fixture(scope="session")
def local_provider() -> Iterator[LocalProvider]:
    """The local provider, in a thread, for the whole session."""
    with in_thread() as provider:
        yield provider


@pytest.fixture
def upstream(local_provider: LocalProvider) -> LocalProvider:
    """The local provider with an empty log."""
    local_provider.log.clear()
    return local_provider


@pytest.fixture(scope="session", params=["llmitm"])
def proxy_process(
    request: pytest.FixtureRequest,
    local_provider: LocalProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ProxyProcess]:
    """A real proxy for the whole session; a test may ask for the other kind by `indirect`."""
    from harness import running_proxy

    kind: Kind = request.param
    folder = Home(tmp_path_factory.mktemp("proxy") / "llmitm")
    with running_proxy(kind, folder, local_provider) as process:
        yield process


@pytest.fixture
def proxy(proxy_process: ProxyProcess, upstream: LocalProvider) -> ProxyProcess:
    """The session's proxy in front of `upstream`; rows and log are those of this test."""
    proxy_process.forget()
    upstream.log.clear()
    return proxy_process
