"""Calls of other programs' files come into the log with their tokens, their price and their place, and never twice."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imports.files import (
    CLAUDE_SESSION,
    CODEX_SESSION,
    claude_answer,
    claude_line,
    claude_session,
    codex_session,
    codex_session_with_records,
    helicone_csv,
    helicone_rows,
    write_lines,
)
from llmitm.calls import Exchange, Identity, Usage
from llmitm.cli import main
from llmitm.exchanges import Fault
from llmitm.home import Home
from llmitm.imports import claude_code, codex, helicone
from llmitm.imports.base import Importer
from llmitm.imports.known import _windows
from llmitm.store.filters import Filter
from llmitm.store.reader import Record, reading
from llmitm.store.writer import Writer
from store.records import chat


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str, code: int = 0) -> str:
        assert main(["import", *arguments]) == code
        return "".join(capsys.readouterr())

    return run


def logged(home: Home) -> list[Record]:
    with reading(home.database) as log:
        calls = list(log.logged(Filter()))
    return sorted(calls, key=lambda call: (call["started_at"], call["id"]))


def test_claude_code(home: Home, run: Callable[..., str], tmp_path: Path) -> None:
    write_lines(tmp_path / "p" / "-home-ada-shop" / f"{CLAUDE_SESSION}.jsonl", claude_session())
    assert run("claude-code", str(tmp_path / "p")).startswith("2 calls imported · $0.0")
    first, second = logged(home)
    assert first["response_id"] == "msg_01A"
    assert first["provider"] == "anthropic"
    assert first["model"] == "claude-opus-4-5-20251101"
    assert first["session_id"] == CLAUDE_SESSION
    assert first["client"] == "claude-cli/2.1.50"
    assert (first["input_tokens"], first["output_tokens"]) == (17_010, 120)
    assert first["cached_input_tokens"] == 15_000
    assert (first["cache_write_5m_tokens"], first["cache_write_1h_tokens"]) == (500, 1_500)
    # 10 × $5 + 15,000 × $0.50 + 500 × $6.25 + 1,500 × $10 + 120 × $25, all per million.
    usd = (
        Decimal("0.00005")
        + Decimal("0.0075")
        + Decimal("0.003125")
        + Decimal("0.015")
        + Decimal("0.003")
    )
    assert first["cost_nanousd"] == usd * 10**9
    assert first["latency_ms"] == 6_000
    assert (first["prompt"], first["response"]) == ("Why does it fail?", "I will look.")
    assert first["tool_calls"] == ["Bash"]
    assert first["properties"] == {
        "imported": "claude-code",
        "process.working_directory": "/home/ada/shop",
        "vcs.ref.head.name": "main",
    }
    assert (second["prompt"], second["response"]) == ("1 failed", "It is the clock.")


def test_an_agents_answer_is_to_its_own_question(
    home: Home, run: Callable[..., str], tmp_path: Path
) -> None:
    answer = claude_answer("msg_side", {"type": "text", "text": "Aside."}, 5, "end_turn")
    lines = [*claude_session(), claude_line("assistant", "s2", "s1", 20, answer, agentId="a1")]
    write_lines(tmp_path / "s.jsonl", lines)
    run("claude-code", str(tmp_path / "s.jsonl"))
    (call,) = (call for call in logged(home) if call["response_id"] == "msg_side")
    assert call["prompt"] == "A side question"
    assert call["properties"]["claude_code.agent"] == "a1"


def test_nothing_is_imported_twice(home: Home, run: Callable[..., str], tmp_path: Path) -> None:
    first = write_lines(tmp_path / "p" / "a.jsonl", claude_session())
    run("claude-code", str(tmp_path / "p"))
    # A session that is resumed begins with a copy of the one that it goes on from.
    answer = claude_answer("msg_01C", {"type": "text", "text": "More."}, 7, "end_turn")
    asked = claude_line("user", "u7", "u6", 28, {"role": "user", "content": "And now?"})
    more = [asked, claude_line("assistant", "u8", "u7", 30, answer, sessionId="another")]
    copied = [line | {"sessionId": "another"} for line in claude_session()]
    write_lines(tmp_path / "p" / "b.jsonl", [*copied, *more])
    write_lines(first, [*claude_session(), *more])
    assert run("claude-code", str(tmp_path / "p")).startswith("1 call imported")
    assert [call["response_id"] for call in logged(home)] == ["msg_01A", "msg_01B", "msg_01C"]


def test_an_answer_that_is_being_written_waits(
    home: Home, run: Callable[..., str], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "a.jsonl", claude_session()[:3])
    assert run("claude-code", str(path)).startswith("0 calls imported")
    long_ago = path.stat().st_mtime - 3_600
    os.utime(path, (long_ago, long_ago))
    assert run("claude-code", str(path)).startswith("1 call imported")


def test_what_the_proxy_has_logged_is_left_out(
    home: Home, run: Callable[..., str], tmp_path: Path
) -> None:
    seen = chat("Why does it fail?", at=1_795_168_803.0)
    seen.answer.response_id = "msg_01A"
    counted = chat(
        "Fix the build.",
        at=1_795_165_201.0,
        identity=Identity(session_id=CODEX_SESSION),
        usage=Usage("reported", input_tokens=8_000, output_tokens=200),
    )
    counted.answer.response_id = "resp_1"
    with closing(Writer(home.database)) as writer:
        writer.write([seen, counted])
    write_lines(tmp_path / "claude.jsonl", claude_session())
    write_lines(tmp_path / "rollout-1.jsonl", codex_session())
    assert "1 call in the log already" in run("claude-code", str(tmp_path / "claude.jsonl"))
    assert "1 call in the log already" in run("codex", str(tmp_path))
    assert len(logged(home)) == 4


@pytest.mark.parametrize(
    ("plan", "provider", "usd"),
    [(None, "openai", "0.010875"), ("plus", "chatgpt_codex", "0")],
)
def test_codex(
    home: Home, run: Callable[..., str], tmp_path: Path, plan: str | None, provider: str, usd: str
) -> None:
    write_lines(tmp_path / "2026" / "11" / "20" / "rollout-x.jsonl", codex_session(plan))
    assert run("codex", str(tmp_path)).startswith("2 calls imported")
    assert run("codex", str(tmp_path)).startswith("0 calls imported")
    first, second = logged(home)
    assert (first["provider"], first["model"]) == (provider, "gpt-5.1-codex")
    assert (first["session_id"], first["client"]) == (CODEX_SESSION, "codex_cli_rs/0.169.0")
    counts = [first[f"{name}_tokens"] for name in ("input", "cached_input", "output", "reasoning")]
    assert counts == [8_000, 1_000, 200, 128]
    assert (second["input_tokens"], second["cached_input_tokens"]) == (9_000, 8_000)
    assert first["cost_nanousd"] == Decimal(usd) * 10**9
    assert (first["prompt"], first["tool_calls"]) == ("Fix the build.", ["shell"])
    assert second["response"] == "Done."


def test_codex_with_ids_of_responses(home: Home, run: Callable[..., str], tmp_path: Path) -> None:
    write_lines(tmp_path / "rollout-x.jsonl", codex_session_with_records())
    seen = chat("Fix the build.", at=1_795_165_201.0, identity=Identity(session_id="unlike"))
    seen.answer.response_id = "resp_2"
    with closing(Writer(home.database)) as writer:
        writer.write([seen])
    assert "1 call imported · $0 · 1 call in the log already" in run("codex", str(tmp_path))
    (call,) = (call for call in logged(home) if call["provider"] == "chatgpt_codex")
    assert (call["response_id"], call["input_tokens"]) == ("resp_1", 8_000)
    assert (call["prompt"], call["tool_calls"]) == ("Fix the build.", ["shell"])


def test_a_result_before_the_count_is_part_of_the_next_call(
    home: Home, run: Callable[..., str], tmp_path: Path
) -> None:
    lines = [line for line in codex_session_with_records() if line["type"] != "token_usage_record"]
    write_lines(tmp_path / "rollout-x.jsonl", lines)
    run("codex", str(tmp_path))
    assert [(call["prompt"], call["response"], call["tool_calls"]) for call in logged(home)] == [
        ("Fix the build.", "", ["shell"]),
        ("ok", "Done.", None),
    ]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_helicone(home: Home, run: Callable[..., str], tmp_path: Path, form: str) -> None:
    rows = helicone_rows()
    path = tmp_path / f"export.{form}"
    if form == "csv":
        path.write_text(helicone_csv(rows), "utf-8")
    elif form == "json":
        path.write_text(json.dumps(rows, indent=2), "utf-8")
    else:
        write_lines(path, rows)
    assert run("helicone", str(path)).startswith("2 calls imported")
    assert run("helicone", str(path)).startswith("0 calls imported")
    first, second = logged(home)
    assert (first["provider"], first["user"], first["session_id"]) == ("openai", "ada", "s1")
    properties = {name.lower(): value for name, value in first["properties"].items()}
    assert properties["workflow"] == "support"
    assert (first["input_tokens"], first["output_tokens"]) == (1_000, 100)
    assert first["cost_nanousd"] == 3_500_000
    assert first["prompt"] == 'Say "hi"'
    assert (second["provider"], second["model"]) == ("anthropic", "claude-3-5-sonnet-20241022")
    if form == "csv":  # it has no answers and no counts of the cache
        assert (first["response"], second["input_tokens"]) == (None, 100)
    else:
        assert (first["response"], first["response_id"]) == ("Hi!", "chatcmpl-helicone-1")
        assert (second["input_tokens"], second["cached_input_tokens"]) == (150, 50)
        assert first["latency_ms"] == 812
    assert (second["request_body"], second["response_body"]) == (None, None)


def test_secrets_and_settings_hold_for_imports_too(
    home: Home, run: Callable[..., str], tmp_path: Path
) -> None:
    key = "sk-" + "a1B2" * 8
    lines = claude_session()
    lines[1]["message"]["content"] = f"My key is {key}"
    write_lines(tmp_path / "a.jsonl", lines)
    run("claude-code", str(tmp_path / "a.jsonl"))
    assert logged(home)[0]["prompt"] == "My key is [redacted]"
    assert key.encode() not in home.database.read_bytes()


def test_what_is_no_call_is_told_with_its_place(
    home: Home, run: Callable[..., str], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "a.jsonl", claude_session())
    path.write_text("{broken\n[1]\n" + path.read_text("utf-8"), "utf-8")
    told = run("claude-code", str(path), code=1)
    assert f"{path}:1: is no JSON" in told
    assert f"{path}:2: is no JSON object" in told
    assert "2 calls imported" in told
    assert "2 not understood" in told


def test_files_that_are_not_there(home: Home, run: Callable[..., str], tmp_path: Path) -> None:
    assert "there is no such folder" in run("codex", str(tmp_path / "none"), code=1)
    assert "there is no such file" in run("helicone", str(tmp_path / "none"), code=1)
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", "utf-8")
    assert "no column request_created_at" in run("helicone", str(other), code=1)


def test_windows_of_time_are_put_together() -> None:
    hour = 3_600_000
    assert _windows([10 * hour, 0, hour, 100 * hour]) == [
        (-hour, 2 * hour),
        (9 * hour, 11 * hour),
        (99 * hour, 101 * hour),
    ]


_READERS: list[Importer] = [claude_code.read, codex.read, helicone.read]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _mutations() -> Iterator[dict[str, Any]]:
    yield from (*claude_session(), *codex_session_with_records(), *helicone_rows())


@pytest.mark.parametrize("reader", _READERS)
@given(data=st.data())
def test_odd_lines_are_calls_or_faults(reader: Importer, data: st.DataObject) -> None:
    lines = [json.loads(json.dumps(line)) for line in _mutations()]
    line = data.draw(st.sampled_from(lines))
    target = data.draw(st.sampled_from([line, *(v for v in line.values() if isinstance(v, dict))]))
    if target:
        target[data.draw(st.sampled_from(sorted(target)))] = data.draw(_VALUES)
    text = "\n".join(json.dumps(each) for each in lines).encode()
    for item in reader(io.BytesIO(text), "file"):
        assert isinstance(item, Exchange | Fault)


@given(st.binary(max_size=300))
def test_any_bytes_are_calls_or_faults(content: bytes) -> None:
    for reader in _READERS:
        for item in reader(io.BytesIO(content), "file"):
            assert isinstance(item, Exchange | Fault)
