"""The exercise of Helicone's tutorial to its end: a two-step agent, and what the command line and the dashboard say of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.serving import Client, opened, serving
from e2e.test_helicone import BASES, KEYS, run
from harness import ProxyProcess, running_proxy
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home


@pytest.fixture(scope="module")
def made(
    local_provider: LocalProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxyProcess]:
    """A proxy behind which the agent has run, and nothing else."""
    home = Home(tmp_path_factory.mktemp("proxy") / "llmitm")
    with running_proxy("llmitm", home, local_provider, environment=KEYS) as proxy:
        run(proxy, "agent", BASES[1])
        proxy.wait_for_rows(2)
        yield proxy


def said(made: ProxyProcess, *arguments: str) -> Any:
    """Return what a verb of the command line says, as JSON."""
    command = [sys.executable, "-m", "llmitm.cli", *arguments, "--json"]
    environment = made.base | {"LLMITM_HOME": str(made.home.folder)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_each_step_of_the_workflow(made: ProxyProcess) -> None:
    plan, write = made.all_rows()
    found = {each["path"]: each for each in said(made, "workflows")}
    assert list(found) == ["research_agent", "research_agent/plan", "research_agent/write"]
    for row, path in ((plan, "research_agent/plan"), (write, "research_agent/write")):
        step = found[path]
        assert step["calls"] == 1
        assert step["cost_nanousd"] == row["cost_nanousd"] > 0
        assert step["input_tokens"] == row["input_tokens"] > 0
        assert step["mean_latency_ms"] == row["latency_ms"]
    whole = found["research_agent"]
    assert (whole["calls"], whole["error_rate"]) == (2, 0)
    assert whole["cost_nanousd"] == plan["cost_nanousd"] + write["cost_nanousd"]


def test_the_user(made: ProxyProcess) -> None:
    [user] = said(made, "users")
    rows = made.all_rows()
    assert (user["user"], user["calls"], user["error_rate"]) == ("alice", 2, 0)
    assert user["cost_nanousd"] == sum(row["cost_nanousd"] for row in rows)
    assert user["mean_latency_ms"] == sum(row["latency_ms"] for row in rows) / 2
    assert user["models"] == {rows[0]["model"]: 2}


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_cost_over_time(made: ProxyProcess, period: str) -> None:
    [each] = said(made, "stats", "--by", period)
    assert each["calls"] == 2
    assert each["cost_nanousd"] == sum(row["cost_nanousd"] for row in made.all_rows())


@pytest.fixture(scope="module")
def browsed(made: ProxyProcess) -> Iterator[Client]:
    with serving(made.home) as dashboard:
        yield opened(dashboard)


def test_the_pages(made: ProxyProcess, browsed: Client) -> None:
    workflows = browsed.page("/workflows").text
    assert "research_agent 2 – 38 – 44" in workflows
    for step in ("plan 1 –", "write 1 –"):
        assert step in workflows
    model = made.all_rows()[0]["model"]
    assert f"{model} 100%" in browsed.page("/users").text
    user = browsed.page("/users/alice").text
    for told in ("calls 2", "average latency", "errors 0.0%", model):
        assert told in user
