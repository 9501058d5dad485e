"""The page shows what was said, and nothing that was said does anything."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.logs import HOSTILE, records, write
from llmitm.exports import html, turns
from llmitm.exports.harmless import text as harmless
from llmitm.home import Home
from llmitm.store.reader import Record
from llmitm.store.writer import Writer
from store.records import agent_session

_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "div", "ul", "li", "b", "span", "table",
    "thead", "tbody", "tr", "th", "td", "a", "bdi", "details", "summary", "pre", "footer",
}  # fmt: skip
_ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "href",
    "id",
    "open",
    "dir",
}


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(calls: list[Record], title: str = "Run 1") -> tuple[str, _Seen]:
    file = io.BytesIO()
    html.write(file, calls, title)
    text = file.getvalue().decode()
    seen = _Seen()
    seen.feed(text)
    seen.close()
    return text, seen


def test_hostile_text_is_text(home: Home) -> None:
    text, seen = page(records(write(home.database)), HOSTILE)
    assert set(seen.tags) <= _TAGS
    assert seen.attributes <= _ATTRIBUTES
    assert all(re.fullmatch(r"#[0-9A-Z]{26}", link) for link in seen.links)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    assert "alert(1)" in "".join(seen.texts)
    assert "⟨RLO⟩gnp.exe" in "".join(seen.texts)
    assert "default-src 'none'" in text


def test_what_was_said_is_there_once(home: Home) -> None:
    _, seen = page(records(write(home.database)))
    whole = "".join(seen.texts)
    assert whole.count("Rayleigh.") == 1  # in the next request it is history
    assert "after 2 turns that are shown above" in whole
    for words in ("$0.25", "429 rate_limit_error", "unpriced", "Workflow: support", "Hm."):
        assert words in whole


def test_a_conversation_is_shown_turn_by_turn(home: Home) -> None:
    with closing(Writer(home.database)) as writer:
        writer.write(list(agent_session(4)))
    _, seen = page(records(home.database))
    whole = "".join(seen.texts)
    # The first shows the system prompt and the question; each after it a result. A call of a tool is shown with its answer.
    assert whole.count("calls a tool") >= 4
    assert len(re.findall("after [0-9]+ turns that are shown above", whole)) == 3


@given(st.text())
def test_any_text_is_harmless(text: str) -> None:
    seen = _Seen()
    seen.feed(f"<p>{harmless(text)}</p>")
    assert set(seen.tags) <= {"p"}
    assert not any(ord(letter) < 32 and letter not in "\t\n" for letter in harmless(text))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"messages": [{"role": "user", "content": "Hi"}]}', [("user", "text", "Hi")]),
        (
            '{"system": [{"type": "text", "text": "Be kind."}], "messages": [{"role": "user", "content":'
            ' [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]}]}]}',
            [("system", "text", "Be kind."), ("tool", "result", "42")],
        ),
        (
            '{"instructions": "Be brief.", "input": [{"type": "function_call", "name": "f", "arguments": "{}"},'
            ' {"type": "function_call_output", "call_id": "1", "output": "ok"}]}',
            [
                ("system", "text", "Be brief."),
                ("assistant", "call", "f({})"),
                ("tool", "result", "ok"),
            ],
        ),
        ('{"input": "Hi"}', [("user", "text", "Hi")]),
        (
            '{"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},'
            ' {"role": "user", "parts": [{"text": "Hi"}]}]}',
            [("assistant", "call", 'f({"a":1})'), ("user", "text", "Hi")],
        ),
        (
            '{"messages": [{"role": "assistant", "content": null, "tool_calls": [{"type": "function",'
            ' "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "content": "ok"},'
            ' {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}',
            [
                ("assistant", "call", "f({})"),
                ("tool", "result", "ok"),
                ("user", "media", "image_url"),
            ],
        ),
        ('{"prompt": "Once"}', [("user", "text", "Once")]),
        ("no JSON", [("user", "text", "no JSON")]),
    ],
)
def test_turns_of_each_dialect(body: str, expected: list[tuple[str, str, str]]) -> None:
    assert turns.asked(body) == expected


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium here")
def test_a_browser_runs_nothing_of_it(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with path.open("wb") as file:
        html.write(file, records(write(home.database)), HOSTILE)
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
            "--enable-logging=stderr", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    seen = _Seen()
    seen.feed(done.stdout)
    assert set(seen.tags) <= _TAGS
    assert ":CONSOLE" not in done.stderr
