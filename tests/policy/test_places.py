from __future__ import annotations

from typing import Any

import pytest

from llmitm.calls import Json
from llmitm.policy.places import change_texts, leave_out, place


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("a", {"b": [{"id": 1, "c": {"id": 2}}, {"id": 3}]}),
        ("b.*.id", {"a": "x", "b": [{"c": {"id": 2}}, {}]}),
        ("b.1.id", {"a": "x", "b": [{"id": 1, "c": {"id": 2}}, {}]}),
        ("b.0", {"a": "x", "b": [None, {"id": 3}]}),
        ("**.id", {"a": "x", "b": [{"c": {}}, {}]}),
        ("*", {}),
        ("a.b", {"a": "x", "b": [{"id": 1, "c": {"id": 2}}, {"id": 3}]}),
        ("nothing", {"a": "x", "b": [{"id": 1, "c": {"id": 2}}, {"id": 3}]}),
        ("b.7.id", {"a": "x", "b": [{"id": 1, "c": {"id": 2}}, {"id": 3}]}),
    ],
)
def test_what_is_left_out(path: str, left: Json) -> None:
    document = {"a": "x", "b": [{"id": 1, "c": {"id": 2}}, {"id": 3}]}
    leave_out(document, [place(path)])
    assert document == left


def test_texts_are_changed_where_they_are() -> None:
    document: dict[str, Any] = {"a": ["x", 1, {"b": "y"}], "c": "z"}
    change_texts(document, [place("a.*"), place("a.*.b")], str.upper)
    assert document == {"a": ["X", 1, {"b": "Y"}], "c": "z"}


def test_what_holds_no_places() -> None:
    for document in (None, 1, "text", []):
        leave_out(document, [place("a.*")])
