"""docs/alerts.md: its conditions are understood, its settings are valid, its code checks a real signature."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, get_args

from harness import ROOT
from llmitm.alerts.entries import ChannelKind
from llmitm.alerts.http import signature
from llmitm.cli import make_parser
from llmitm.policy.alert_conditions import GROUPS, KEYS, Metric, parse
from llmitm.settings import parse as parse_settings

TEXT = (ROOT / "docs" / "alerts.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_every_condition_is_understood_and_every_metric_is_there() -> None:
    conditions = [parse(line) for line in blocks("text")[0].splitlines()]
    named = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
    known = {condition.metric for condition in conditions} | set(named)
    assert set(get_args(Metric)) <= known
    assert {*GROUPS, *KEYS} <= {name.removeprefix("by ") for name in named}


def test_the_settings_are_valid_and_have_every_kind() -> None:
    channels = {}
    whole = ""
    for example in blocks("toml"):
        if "[alert" not in example:
            channels |= parse_settings(Path("docs/alerts.md"), example).channel
            whole = example
    alert = next(example for example in blocks("toml") if "[alert" in example)
    assert parse_settings(Path("docs/alerts.md"), whole + alert).alert
    kinds = {entry.kind or name for name, entry in channels.items()}
    assert kinds | {"desktop"} == set(get_args(ChannelKind))


def test_the_code_checks_a_signature() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    headers = {"webhook-id": "1", **signature("secret", "1", 1_700_000_000, b"{}")}
    assert names["is_genuine"](b"secret", headers, b"{}")
    assert not names["is_genuine"](b"another", headers, b"{}")
    assert not names["is_genuine"](b"secret", headers, b"{ }")


def test_every_command_is_one_that_there_is() -> None:
    commands = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    commands += [line.strip() for line in blocks("text")[1].splitlines() if "llmitm ls" in line]
    assert len(commands) == 4
    for command in commands:
        make_parser().parse_args(shlex.split(command)[1:])
