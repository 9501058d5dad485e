from __future__ import annotations

import pytest

from llmitm.calls import Json
from llmitm.policy.differences import differences


@pytest.mark.parametrize(
    ("left", "right", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, ["$.a"]),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, ["$.a[1].b"]),
        ({"a": [1]}, {"a": [1, 2]}, ["$.a[1]"]),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, ["$.a", "$.b", "$.c"]),
        ({"odd key": 1}, {"odd key": 2}, ["$['odd key']"]),
        (None, {"a": 1}, ["$"]),
    ],
)
def test_every_place_in_order(left: Json, right: Json, paths: list[str]) -> None:
    assert [each.path for each in differences(left, right)] == paths


def test_what_is_not_there_is_nothing() -> None:
    (only,) = differences({}, {"a": "x"})
    assert only.shown() == ("nothing", '"x"')


def test_of_long_texts_the_place_is_shown() -> None:
    (only,) = differences("a" * 500 + "left" + "b" * 500, "a" * 500 + "right" + "b" * 500)
    left, right = only.shown()
    assert left.startswith("…aaaa")
    assert "left" in left
    assert "right" in right
    assert len(left) < 70
