"""docs/headers.md names every control header that has an effect, with what holds without it."""

from __future__ import annotations

import re

import pytest

from harness import ROOT
from llmitm.policy import asked, values
from llmitm.policy.directives import FALLBACK_CODES, CacheDirective, RetryDirective

PAGE = (ROOT / "docs" / "headers.md").read_text("utf-8")
RESPONSES = PAGE[PAGE.index("## In responses") : PAGE.index("## Routing")]
TEXT = PAGE.replace(RESPONSES, "")


@pytest.mark.parametrize("name", asked.NAMES)
def test_every_header_that_has_a_switch(name: str) -> None:
    assert f"`{name}`" in TEXT or f"`{name}:" in TEXT


def test_no_header_of_which_the_code_knows_nothing() -> None:
    known = {name.lower() for name in asked.NAMES}
    found = re.findall(r"^\| (`Helicone-(?:Cache|Retry|Fallback|Target|Stream).*?) \|", TEXT, re.M)
    named = {name.lower() for cell in found for name in re.findall(r"`(Helicone[\w-]+)`", cell)}
    assert len(named) > 10
    assert named <= known


def test_every_header_of_a_response_is_one_that_is_set() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "addon").rglob("mitm/*.py"))
    named = re.findall(r"`((?:Helicone|X-llmitm)[\w-]+|x-should-retry)(?::[^`]*)?`", RESPONSES)
    assert len(named) > 10
    assert [name for name in named if name not in sources] == []


def test_what_holds_without_a_header() -> None:
    without = dict(re.findall(r"^\| `(Helicone-[\w-]+)`(?:, `[\w-]+`)? \| (.+?) \|", TEXT, re.M))
    cache, retry = CacheDirective(), RetryDirective()
    assert without["Helicone-Cache-Bucket-Max-Size"] == f"`{cache.bucket_size}`"
    assert without["Helicone-Retry-Num"] == f"`{retry.retries}`"
    assert without["Helicone-Retry-Factor"] == f"`{retry.factor:g}`"
    waits = f"`{retry.first_wait:g}`, `{retry.longest_wait:g}`"
    assert without["Helicone-Retry-Min-Timeout"] == waits
    assert f"| {cache.max_age // 86_400} days |" in TEXT
    [codes] = re.findall(r"Without it: `([\d,]+)`", TEXT)
    told = {code for low, _ in values.code_list(codes) for code in [low]}
    assert told == {code for low, high in FALLBACK_CODES for code in range(low, high + 1)}
