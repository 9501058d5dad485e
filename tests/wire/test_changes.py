"""What one prompt has that another had not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire import changes

TEXTS = st.lists(st.text(max_size=8), max_size=5)


def prompt(
    system: object = "s", tools: object = None, *messages: object, **more: Any
) -> changes.Prompt:
    body = {"system": system, "tools": tools or [], "messages": list(messages), **more}
    found = changes.read(json.dumps(body))
    assert found is not None
    return found


@given(TEXTS, TEXTS)
def test_a_prompt_that_goes_on_is_not_broken(first: list[str], more: list[str]) -> None:
    before, after = prompt("s", None, *first), prompt("s", None, *first, *more)
    assert changes.broken_at(before, after) is None
    assert len(list(changes.changes(before, after))) == len(more)


@given(TEXTS, st.integers(0, 4), st.text(min_size=1, max_size=4))
def test_the_first_changed_message_breaks_it(texts: list[str], place: int, more: str) -> None:
    other = [text + more if number == place else text for number, text in enumerate(texts)]
    broken = changes.broken_at(prompt("s", None, *texts), prompt("s", None, *other))
    assert (broken.name if broken else None) == (str(place) if place < len(texts) else None)


def test_tools_come_before_the_system_prompt_and_that_before_messages() -> None:
    tool = {"name": "Read", "input_schema": {}}
    broken = changes.broken_at(
        prompt("a", [tool], "x"), prompt("b", [{**tool, "description": "d"}], "y")
    )
    assert broken is not None
    assert (broken.place, broken.name) == ("tools", "Read")
    broken = changes.broken_at(prompt("a", [tool], "x"), prompt("b", [tool], "y"))
    assert broken is not None
    assert broken.place == "system"


def test_marks_of_the_cache_are_no_change() -> None:
    marked = {"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}
    assert changes.broken_at(prompt([marked], None, "x"), prompt("s", None, "x")) is None


def test_options_that_are_part_of_the_prompt() -> None:
    assert changes.broken_at(prompt("s", None, "x", temperature=0), prompt("s", None, "x")) is None
    broken = changes.broken_at(prompt("s", None, "x"), prompt("s", None, "x", tool_choice="any"))
    assert broken is not None
    assert (broken.place, broken.name) == ("options", "tool_choice")


def test_where_two_texts_part() -> None:
    change = changes.Change(
        "system", "0", "It is 14:01 in a town by the sea.", "It is 14:02 in a town by the sea."
    )
    old, new = changes.told(change)
    assert old.startswith("It is 14:01 in a town")
    assert new.startswith("It is 14:02 in a town")


@given(st.text(), st.text())
def test_no_two_texts_are_too_odd(before: str, after: str) -> None:
    old, new = changes.told(changes.Change("system", "0", before, after))
    assert max(len(old), len(new)) <= 100


def test_what_is_no_request_has_no_prompt() -> None:
    assert changes.read("") is None
    assert changes.read("[1]") is None
